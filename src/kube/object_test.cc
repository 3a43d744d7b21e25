#include "kube/object.h"

#include <gtest/gtest.h>

#include "base/yaml.h"
#include "kube/conditions.h"
#include "kube/quantity.h"
#include "kube/resource.h"
#include "kube/selector.h"

namespace kinglet::kube {
namespace {

Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Json();
}

TEST(Object, ReadsMetadata) {
  Json pod = Yaml(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: b, uid: u, generation: 3, labels: {x: y}, finalizers: [f]}
)");
  EXPECT_EQ(KeyOf(pod).ToString(), "b/a");
  EXPECT_EQ(GvkOf(pod), (GroupVersionKind{"apps", "v1", "Deployment"}));
  EXPECT_EQ(Label(pod, "x"), "y");
  EXPECT_EQ(Label(pod, "z"), "");
  EXPECT_EQ(Generation(pod), 3);
  EXPECT_FALSE(IsDeleting(pod));
  EXPECT_FALSE(AddFinalizer(pod, "f"));
  EXPECT_TRUE(AddFinalizer(pod, "g"));
  EXPECT_TRUE(RemoveFinalizer(pod, "f"));
  EXPECT_TRUE(RemoveFinalizer(pod, "g"));
  EXPECT_FALSE(pod["metadata"].Has("finalizers"));
}

TEST(Object, ParsesKeys) {
  EXPECT_EQ(*ObjectKey::Parse("a/b"), (ObjectKey{"a", "b"}));
  EXPECT_EQ(*ObjectKey::Parse("b"), (ObjectKey{"", "b"}));
  for (const char* bad : {"", "/", "a/", "/b", "a/b/c"}) EXPECT_FALSE(ObjectKey::Parse(bad)) << bad;
}

TEST(Object, HasOneController) {
  Json owner = Yaml("{apiVersion: v1, kind: A, metadata: {name: a, namespace: n, uid: u1}}");
  Json other = Yaml("{apiVersion: v1, kind: A, metadata: {name: b, namespace: n, uid: u2}}");
  Json child = Yaml("{apiVersion: v1, kind: C, metadata: {name: c, namespace: n}}");
  ASSERT_TRUE(SetControllerReference(child, owner));
  ASSERT_TRUE(SetControllerReference(child, owner));
  EXPECT_EQ(child["metadata"]["ownerReferences"].size(), 1u);
  EXPECT_TRUE(IsControlledBy(child, owner));
  EXPECT_FALSE(IsControlledBy(child, other));
  EXPECT_EQ(SetControllerReference(child, other).error().code(), Code::kAlreadyExists);
  Json elsewhere = Yaml("{metadata: {name: c, namespace: m}}");
  EXPECT_EQ(SetControllerReference(elsewhere, owner).error().code(), Code::kInvalidArgument);
}

TEST(Object, EqualityOverlooksWhatTheServerSets) {
  Json a = Yaml("{metadata: {name: x, resourceVersion: '1', uid: u}, spec: {a: [], b: {c: 1}}}");
  Json b = Yaml("{metadata: {name: x, resourceVersion: '2'}, spec: {b: {c: 1, d: {}}}}");
  EXPECT_TRUE(SemanticallyEqual(a, b));
  b.Path({"spec", "b"}).Set("c", 2);
  EXPECT_FALSE(SemanticallyEqual(a, b));
  // Only at the top: a template's own uid would count.
  EXPECT_FALSE(SemanticallyEqual(Yaml("{spec: {metadata: {uid: a}}}"), Yaml("{spec: {}}")));
  EXPECT_FALSE(SemanticallyEqual(Yaml("{spec: {a: [1]}}"), Yaml("{spec: {a: {b: 1}}}")));
}

TEST(Object, ChecksNames) {
  EXPECT_TRUE(CheckDnsSubdomain("a.b-c.9"));
  for (const char* bad : {"", "A", "a..b", "-a", "a-", "a_b", ".a"}) {
    EXPECT_FALSE(CheckDnsSubdomain(bad)) << bad;
  }
  EXPECT_FALSE(CheckDnsLabel("a.b"));
  EXPECT_FALSE(CheckDnsLabel(std::string(64, 'a')));
}

TEST(Resource, MakesPaths) {
  EXPECT_EQ(kPod.Path("n", "p", "log"), "/api/v1/namespaces/n/pods/p/log");
  EXPECT_EQ(kDeployment.Path(), "/apis/apps/v1/deployments");
  EXPECT_EQ(kClusterServingRuntime.Path("n", "r"),
            "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes/r");
  EXPECT_EQ(kPod.Path("n", "../x"), "/api/v1/namespaces/n/pods/..%2Fx");
  EXPECT_EQ(FindKnownResource("serving.kserve.io/v1beta1", "InferenceService"), &kInferenceService);
  EXPECT_EQ(FindKnownResource("v1", "Nothing"), nullptr);
}

TEST(Conditions, MetaMovesTimeOnlyWithStatus) {
  Json object;
  WallTime t0 = *ParseRfc3339("2026-01-01T00:00:00Z"), t1 = t0 + std::chrono::hours(1);
  EXPECT_TRUE(SetMetaCondition(object, {"Ready", "False", "A", "a"}, t0));
  EXPECT_FALSE(SetMetaCondition(object, {"Ready", "False", "A", "a"}, t1));
  EXPECT_TRUE(SetMetaCondition(object, {"Ready", "False", "B", "b"}, t1));
  EXPECT_EQ((*FindCondition(object, "Ready"))["lastTransitionTime"].AsString(),
            "2026-01-01T00:00:00Z");
  EXPECT_TRUE(SetMetaCondition(object, {"Ready", "True", "B", "b"}, t1));
  EXPECT_EQ((*FindCondition(object, "Ready"))["lastTransitionTime"].AsString(),
            "2026-01-01T01:00:00Z");
  EXPECT_TRUE(IsConditionTrue(object, "Ready"));
}

TEST(Conditions, SetSumsUp) {
  FakeClock clock;
  Json object;
  ConditionSet set(object, "Ready", {"PredictorReady", "IngressReady"}, clock);
  set.Initialize();
  EXPECT_EQ(ConditionStatus(object, "Ready"), "Unknown");
  EXPECT_EQ(object["status"]["conditions"][0]["type"].AsString(), "IngressReady");
  set.MarkTrue("PredictorReady");
  EXPECT_EQ(ConditionStatus(object, "Ready"), "Unknown");
  set.MarkTrue("IngressReady");
  EXPECT_TRUE(set.IsHappy());
  set.MarkFalse("PredictorReady", "Crash", "it crashed");
  EXPECT_EQ((*FindCondition(object, "Ready"))["reason"].AsString(), "Crash");
  set.MarkUnknown("IngressReady", "Wait", "");
  EXPECT_TRUE(IsConditionFalse(object, "Ready"));  // a failure weighs more
  set.MarkTrue("LatestDeploymentReady");
  EXPECT_EQ((*FindCondition(object, "LatestDeploymentReady"))["severity"].AsString(), "Info");
  EXPECT_FALSE(set.Clear("PredictorReady"));
  EXPECT_TRUE(set.Clear("LatestDeploymentReady"));
  set.MarkTrue("PredictorReady");
  EXPECT_EQ((*FindCondition(object, "Ready"))["reason"].AsString(), "Wait");
  set.MarkTrue("IngressReady");
  EXPECT_TRUE(set.IsHappy());
}

TEST(LabelSelector, Matches) {
  Json labels = Yaml("{app: web, tier: '2', empty: ''}");
  for (const char* yes : {"", "app=web", "app==web", "app!=db", "app in (db, web)",
                          "app notin (db)", "tier", "!zone", "zone notin (a)", "zone!=a",
                          "app=web,tier=2", "tier>1", "tier<3", "empty=", "empty in ()"}) {
    auto selector = LabelSelector::Parse(yes);
    ASSERT_TRUE(selector) << yes << selector.error().message();
    EXPECT_TRUE(selector->Matches(labels)) << yes;
    auto again = LabelSelector::Parse(selector->ToString());
    ASSERT_TRUE(again) << selector->ToString();
    EXPECT_TRUE(again->Matches(labels)) << selector->ToString();
  }
  for (const char* no : {"app=db", "app!=web", "!app", "zone", "zone in (a)", "tier>2", "app>1"}) {
    auto selector = LabelSelector::Parse(no);
    ASSERT_TRUE(selector) << no;
    EXPECT_FALSE(selector->Matches(labels)) << no;
  }
  for (const char* bad : {"a=b,", ",", "=b", "a in b", "a in (b", "a in (b,c", "a b", "!!a",
                          "a=b=c", "-a", "a=-b", "a/b/c=d"}) {
    EXPECT_FALSE(LabelSelector::Parse(bad)) << bad;
  }
}

TEST(LabelSelector, FromObject) {
  auto selector = LabelSelector::FromJson(Yaml(R"(
matchLabels: {app: web}
matchExpressions: [{key: tier, operator: In, values: [b, a]}, {key: z, operator: DoesNotExist}])"));
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->ToString(), "app=web,tier in (a,b),!z");
  EXPECT_TRUE(selector->Matches(Yaml("{app: web, tier: a}")));
  EXPECT_FALSE(selector->Matches(Yaml("{app: web}")));
  EXPECT_FALSE(LabelSelector::FromJson(Json())->Matches(Json()));
  EXPECT_TRUE(LabelSelector::FromJson(Json::MakeObject())->Matches(Json()));
  EXPECT_FALSE(LabelSelector::FromJson(Yaml("{matchExpressions: [{key: a, operator: In}]}")));
}

TEST(FieldSelector, Matches) {
  Json pod =
      Yaml("{metadata: {name: 'a,b'}, status: {phase: Running}, spec: {unschedulable: true}}");
  for (const char* yes : {"", "status.phase=Running", "status.phase==Running", "spec.nodeName=",
                          "metadata.name=a\\,b", "status.phase!=Failed,spec.unschedulable=true"}) {
    auto selector = FieldSelector::Parse(yes);
    ASSERT_TRUE(selector) << yes;
    EXPECT_TRUE(selector->Matches(pod)) << yes;
    EXPECT_TRUE(FieldSelector::Parse(selector->ToString())->Matches(pod)) << yes;
  }
  EXPECT_FALSE(FieldSelector::Parse("status.phase!=Running")->Matches(pod));
  EXPECT_FALSE(FieldSelector::Parse("status.phase"));
  EXPECT_FALSE(FieldSelector::Parse("=x"));
}

TEST(Quantity, CanonicalText) {
  const std::pair<const char*, const char*> cases[] = {
      {"0", "0"},
      {"0Ki", "0"},
      {"100m", "100m"},
      {"0.1", "100m"},
      {"1.5", "1500m"},
      {"1000m", "1"},
      {"1000", "1k"},
      {"1500", "1500"},
      {"1.5Gi", "1536Mi"},
      {"1024Mi", "1Gi"},
      {"1Ki", "1Ki"},
      {"0.5Ki", "512"},
      {"1025Ki", "1025Ki"},
      {"12e6", "12e6"},
      {"1e3", "1e3"},
      {"1E", "1E"},
      {"1E3", "1e3"},
      {"-1.5", "-1500m"},
      {"+2", "2"},
      {".5", "500m"},
      {"5.", "5"},
      {"1n", "1n"},
      {"0.1n", "1n"},
      {"1.0000000001", "1000000001n"},
      {"100Ei", "9223372036854775807"},
      {"1e-12", "1e-9"},
      {"2Gi", "2Gi"},
      {"0.0000000000000000000000000000000000001", "1n"},
      {"8Ei", "9223372036854775807"},
      {"999999999999999999999999", "9223372036854775807"},
      {"1.1Mi", "1153433600m"},
  };
  for (auto [text, want] : cases) {
    auto quantity = Quantity::Parse(text);
    ASSERT_TRUE(quantity) << text;
    EXPECT_EQ(quantity->ToString(), want) << text;
    EXPECT_EQ(*Quantity::Parse(quantity->ToString()), *quantity) << text;
  }
  for (const char* bad : {"", "a", "1x", "1.2.3", "--1", "1e", "1 Gi", "Ki", ".", "1e1.5", "1K"}) {
    EXPECT_FALSE(Quantity::Parse(bad)) << bad;
  }
}

TEST(Quantity, Computes) {
  auto parse = [](const char* text) { return *Quantity::Parse(text); };
  EXPECT_EQ(parse("1Gi"), parse("1073741824"));
  EXPECT_LT(parse("1G"), parse("1Gi"));
  EXPECT_GT(parse("1001m"), parse("1"));
  EXPECT_EQ((parse("1Gi") + parse("512Mi")).ToString(), "1536Mi");
  EXPECT_EQ((parse("2") - parse("500m")).ToString(), "1500m");
  EXPECT_EQ(parse("1500m").Value(), 2);
  EXPECT_EQ(parse("-1500m").Value(), -2);
  EXPECT_EQ(parse("1.5").MilliValue(), 1500);
  EXPECT_DOUBLE_EQ(parse("250m").AsDouble(), 0.25);
  EXPECT_EQ(Quantity::FromJson(Json(4))->ToString(), "4");
  EXPECT_EQ(Quantity::FromJson(Json(0.5))->ToString(), "500m");
  EXPECT_FALSE(Quantity::FromJson(Json(true)));
}

}  // namespace
}  // namespace kinglet::kube
