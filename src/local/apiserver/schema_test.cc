#include "local/apiserver/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "local/apiserver/field_set.h"
#include "local/apiserver/table.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

using ::testing::ElementsAre;

TEST(SchemaTable, ReadsTheNotation) {
  auto table =
      ParseSchemaTable({"a.A x:string! y:[b.B]@map(k,l)@merge(k) z:{int}\n  w:[string]@set\n"
                        "b.B @atomic k:string! l:int!\n"});
  ASSERT_TRUE(table) << table.error().message();
  const Schema& a = *table->at("a.A");
  EXPECT_THAT(a.required, ElementsAre("x"));
  EXPECT_THAT(a.properties.at("y")->map_keys, ElementsAre("k", "l"));
  EXPECT_EQ(a.properties.at("y")->merge_key, "k");
  EXPECT_EQ(a.properties.at("z")->additional->format, "int32");
  EXPECT_EQ(a.properties.at("w")->list_type, Schema::ListType::kSet);
  EXPECT_TRUE(table->at("b.B")->atomic);
  EXPECT_FALSE(ParseSchemaTable({"a.A x:nothing\n"}));
  EXPECT_FALSE(ParseSchemaTable({"a.A x:a.A\n"}));
  EXPECT_FALSE(ParseSchemaTable({"a.A x\n"}));
}

TEST(SchemaTable, BuiltInKindsHaveKubernetesFields) {
  SchemaTable table = LoadBuiltinSchemas();
  const Schema& spec = *table.at("core.v1.PodSpec");
  EXPECT_EQ(spec.properties.at("containers")->merge_key, "name");
  EXPECT_EQ(spec.properties.at("containers")->items->properties.at("ports")->map_keys.size(), 2u);
  EXPECT_TRUE(table.at("core.v1.SecretKeySelector")->atomic);
}

TEST(Validation, NamesInKubernetesWords) {
  EXPECT_EQ(CheckSubdomain("a.b-c"), "");
  EXPECT_NE(CheckSubdomain("a..b"), "");
  EXPECT_NE(CheckSubdomain("-a"), "");
  EXPECT_NE(CheckLabel("a.b"), "");
  EXPECT_NE(CheckLabel1035("1a"), "");
  EXPECT_EQ(CheckQualifiedName("example.com/Name_1"), "");
  EXPECT_NE(CheckQualifiedName("/x"), "");
  EXPECT_EQ(CheckLabelValue(""), "");
  EXPECT_EQ(CheckSubdomain(std::string(300, 'a')), "must be no more than 253 characters");
}

TEST(FieldSets, RoundTripAndAlgebra) {
  SchemaTable table = LoadBuiltinSchemas();
  const Schema* pod = table.at("core.v1.PodSpec").get();
  Json value = *Json::Parse(R"({"restartPolicy":"Always","containers":[
      {"name":"a","image":"x","args":["1","2"]},{"name":"b","image":"y"}],
      "nodeSelector":{"k":"v"}})");
  FieldSet all = FieldsOf(pod, value);
  EXPECT_EQ(FieldSet::FromJson(all.ToJson()).ToJson(), all.ToJson());
  EXPECT_EQ(all.ToJson()["f:containers"]["k:{\"name\":\"a\"}"]["f:args"], Json::MakeObject());
  Json less = *Json::Parse(R"({"containers":[{"name":"a","image":"z"}],"nodeSelector":{"k":"v"}})");
  FieldChanges changes = CompareFields(pod, value, less);
  EXPECT_THAT(changes.changed.Paths(), ElementsAre(".containers[name=\"a\"].image"));
  Json rest = value;
  RemoveFields(pod, rest, changes.removed);
  EXPECT_EQ(rest,
            *Json::Parse(R"({"containers":[{"name":"a","image":"x"}],"nodeSelector":{"k":"v"}})"));
  FieldSet nothing = all;
  nothing.Subtract(all);
  EXPECT_TRUE(nothing.Empty());
}

TEST(JsonPaths, OfPrinterColumns) {
  Json object = *Json::Parse(R"({"a":{"b.c":[{"t":"x","v":1},{"t":"y","v":2}]},"n":5})");
  EXPECT_EQ(EvaluateJsonPath(object, ".a.b\\.c[1].v").AsInt(), 2);
  EXPECT_EQ(EvaluateJsonPath(object, ".a['b.c'][?(@.t=='y')].v").AsInt(), 2);
  EXPECT_EQ(EvaluateJsonPath(object, "{.n}").AsInt(), 5);
  EXPECT_TRUE(EvaluateJsonPath(object, ".a.x.y").IsNull());
  EXPECT_TRUE(EvaluateJsonPath(object, ".a[").IsNull());
  EXPECT_TRUE(EvaluateJsonPath(object, "n").IsNull());
}

}  // namespace
}  // namespace kinglet::local
