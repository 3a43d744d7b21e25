#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "inference/tensor_json.h"
#include "inference/v2/request.h"
#include "inference/v2/response.h"
#include "inference/v2/typed_data.h"

namespace kinglet::inference::v2 {
namespace {

std::string Describe(const std::vector<Tensor>& tensors) {
  std::string text;
  for (const Tensor& tensor : tensors) {
    if (!text.empty()) text += ' ';
    text += fmt::format("{}:{}=", tensor.name, DataTypeName(tensor.datatype));
    size_t index = 0;
    AppendNested(tensor, 0, &index, &text);
  }
  return text;
}

std::string Input(std::string_view shape, std::string_view datatype, std::string_view data) {
  return fmt::format(R"({{"inputs":[{{"name":"x","shape":{},"datatype":"{}","data":{}}}]}})", shape,
                     datatype, data);
}

struct Case {
  std::string body;
  std::string_view expected;
};

class JsonGood : public testing::TestWithParam<Case> {};
TEST_P(JsonGood, Body) {
  InferHead head;
  std::vector<Tensor> inputs(3);
  inputs[0].Reset("old", DataType::kBytes, {2});
  auto rejection = DecodeInferRequest(GetParam().body, std::nullopt, "m", &head, &inputs);
  ASSERT_FALSE(rejection) << rejection->error.ToString();
  EXPECT_EQ(Describe(inputs), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    V2, JsonGood,
    testing::Values(
        Case{Input("[2,2]", "FP32", "[1,2.5,3,4]"), "x:FP32=[[1.0,2.5],[3.0,4.0]]"},
        Case{Input("[2,2]", "fp64", "[[1,2],[3,null]]"), "x:FP64=[[1.0,2.0],[3.0,null]]"},
        Case{Input("[-1,2]", "INT32", "[1,2,3,4]"), "x:INT32=[[1,2],[3,4]]"},
        Case{Input("[3]", "INT8", "[-128,127,1.9]"), "x:INT8=[-128,127,1]"},
        Case{Input("[2]", "UINT8", "[255,true]"), "x:UINT8=[255,1]"},
        Case{Input("[3]", "BOOL", "[true,0,2]"), "x:BOOL=[true,false,true]"},
        Case{Input("[2]", "BYTES", R"(["a","\u00e9"])"), "x:BYTES=[\"a\",\"é\"]"},
        Case{Input("[0]", "FP32", "[]"), "x:FP32=[]"},
        Case{Input("[0]", "FP16", "[]"), "x:FP16=[]"},
        Case{Input("[1]", "FP64", "[NaN]"), "x:FP64=[null]"},
        Case{Input("[1]", "UINT64", "[9223372036854775807]"), "x:UINT64=[9223372036854775807]"},
        // Members in the order of sorted keys, as many clients send them.
        Case{R"({"inputs":[{"data":[1,2],"datatype":"INT64","name":"a","shape":[2]}]})",
             "a:INT64=[1,2]"},
        Case{R"({"id":null,"outputs":null,"parameters":null,"inputs":[],"x":1})", ""}));

class JsonBad : public testing::TestWithParam<Case> {};
TEST_P(JsonBad, Body) {
  InferHead head;
  std::vector<Tensor> inputs;
  auto rejection = DecodeInferRequest(GetParam().body, std::nullopt, "m", &head, &inputs);
  ASSERT_TRUE(rejection);
  EXPECT_THAT(rejection->error.message(), testing::HasSubstr(GetParam().expected));
  EXPECT_EQ(rejection->schema_errors, "");
}
INSTANTIATE_TEST_SUITE_P(
    V2, JsonBad,
    testing::Values(
        Case{Input("[3]", "FP32", "[1,2]"), "cannot reshape array of size 2 into shape (3,)"},
        Case{Input("[1]", "FP32", "[1,2]"), "cannot reshape array of size 2 into shape (1,)"},
        Case{Input("[1000000000]", "FP64", "[1,2]"), "cannot reshape array of size 2"},
        Case{Input("[-1,3]", "FP64", "[1,2]"), "cannot reshape"},
        Case{Input("[-1,-1]", "FP64", "[1,2]"), "only one dimension"},
        Case{Input("[-2]", "FP64", "[1,2]"), "negative dimension"},
        Case{Input("[4294967296,4294967296,4294967296]", "FP64", "[1]"), "elements"},
        Case{Input("[2]", "FP64", "[[1],[2,3]]"), "ragged"},
        Case{Input("[1]", "INT8", "[128]"), "range"}, Case{Input("[1]", "INT32", "[NaN]"), "range"},
        Case{Input("[1]", "INT64", "[1e19]"), "range"},
        Case{Input("[1]", "UINT8", "[-1]"), "range"},
        Case{Input("[1]", "FP32", R"(["1"])"), "expected a number"},
        Case{Input("[1]", "BYTES", "[1]"), "expected a string"},
        Case{Input("[1]", "FP8", "[1]"), "invalid datatype FP8 in the input"},
        Case{Input("[1]", "FP16", "[1]"),
             "Sending FP16 data via JSON is not supported. Please use the binary data format for "
             "input x"}));

TEST(DecodeInferRequest, DecodedDataKeepsItsShapeAndType) {
  const std::string_view good =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"INT8","data":[1,2])";
  InferHead head;
  std::vector<Tensor> inputs;
  for (std::string_view again : {R"("shape":[1000000,2])", R"("shape":[-1,2])",
                                 R"("datatype":"FP64")", R"("datatype":"BYTES")"}) {
    const std::string body = fmt::format("{},{}}}]}}", good, again);
    auto rejection = DecodeInferRequest(body, std::nullopt, "m", &head, &inputs);
    ASSERT_TRUE(rejection) << body;
    EXPECT_THAT(rejection->error.message(), testing::HasSubstr("given again after its data"));
  }
  // The last of several counts, as in KServe.
  const std::string twice = fmt::format(R"({},"data":[3,4]}}]}})", good);
  ASSERT_FALSE(DecodeInferRequest(twice, std::nullopt, "m", &head, &inputs));
  EXPECT_EQ(Describe(inputs), "x:INT8=[[3,4]]");
}

TEST(DecodeInferRequest, SchemaErrorsAreFastApis) {
  struct {
    std::string_view body, type, location;
  } cases[] = {
      {"{}", "missing", R"(["body","InferenceRequest","inputs"])"},
      {"[]", "model_attributes_type", R"(["body","InferenceRequest"])"},
      {R"({"inputs":1})", "list_type", R"(["body","InferenceRequest","inputs"])"},
      {R"({"inputs":[1]})", "model_attributes_type", R"(["body","InferenceRequest","inputs",0])"},
      {R"({"inputs":[{}]})", "missing", R"(["body","InferenceRequest","inputs",0,"name"])"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]})", "missing",
       R"(["body","InferenceRequest","inputs",0,"data"])"},
      {R"({"inputs":[{"name":"x","shape":["a"]}]})", "int_type",
       R"(["body","InferenceRequest","inputs",0,"shape",0])"},
      {R"({"inputs":[{"name":"x","shape":[1.5]}]})", "int_from_float",
       R"(["body","InferenceRequest","inputs",0,"shape",0])"},
      {R"({"id":7})", "string_type", R"(["body","InferenceRequest","id"])"},
      {R"({"parameters":{"a":[1]}})", "string_type",
       R"(["body","InferenceRequest","parameters","a"])"},
      {R"({"inputs":[],"outputs":[{}]})", "missing",
       R"(["body","InferenceRequest","outputs",0,"name"])"},
      {"{", "json_invalid", R"(["body",1])"},
  };
  for (const auto& item : cases) {
    InferHead head;
    std::vector<Tensor> inputs;
    auto rejection = DecodeInferRequest(item.body, std::nullopt, "m", &head, &inputs);
    ASSERT_TRUE(rejection) << item.body;
    auto detail = Json::Parse(rejection->schema_errors);
    ASSERT_TRUE(detail) << item.body;
    const Json& first = (*detail)["detail"][0];
    EXPECT_EQ(first["type"].AsString(), item.type) << item.body;
    EXPECT_EQ(first["loc"].Dump(), item.location) << item.body;
    EXPECT_TRUE(first.Has("msg") && first.Has("input")) << item.body;
  }
}

TEST(DecodeInferRequest, HeadMembers) {
  InferHead head;
  head.id = "old";
  std::vector<Tensor> inputs;
  std::string body =
      R"({"id":"42","parameters":{"content_type":"pd","binary_data_output":true,"f":1.5},"inputs":[],)"
      R"("outputs":[{"name":"a"},{"name":"b","parameters":{"binary_data":true}}]})";
  ASSERT_FALSE(DecodeInferRequest(body, std::nullopt, "m", &head, &inputs));
  EXPECT_EQ(head.id, "42");
  EXPECT_TRUE(head.columns);
  EXPECT_TRUE(head.binary_data_output);
  ASSERT_EQ(head.outputs.size(), 2u);
  EXPECT_FALSE(head.outputs[0].binary_data);
  EXPECT_TRUE(head.outputs[1].binary_data);
  ASSERT_FALSE(DecodeInferRequest(R"({"inputs":[]})", std::nullopt, "m", &head, &inputs));
  EXPECT_EQ(head.id, "");
  EXPECT_FALSE(head.columns || head.binary_data_output);
  EXPECT_TRUE(head.outputs.empty());
}

std::string BinaryInput(std::string_view shape, std::string_view datatype, int64_t size) {
  return fmt::format(
      R"({{"inputs":[{{"name":"x","shape":{},"datatype":"{}","parameters":{{"binary_data_size":{}}}}}]}})",
      shape, datatype, size);
}

TEST(DecodeInferRequest, BinaryTensors) {
  float values[] = {1.5f, -2};
  std::string raw(reinterpret_cast<const char*>(values), 8);
  InferHead head;
  std::vector<Tensor> inputs;
  std::string json = BinaryInput("[1,2]", "FP32", 8);
  ASSERT_FALSE(DecodeInferRequest(json + raw, json.size(), "m", &head, &inputs));
  EXPECT_EQ(Describe(inputs), "x:FP32=[[1.5,-2.0]]");

  json = BinaryInput("[2]", "BYTES", 11);
  raw = std::string("\x02\0\0\0ab\x01\0\0\0c", 11);
  ASSERT_FALSE(DecodeInferRequest(json + raw, json.size(), "m", &head, &inputs));
  EXPECT_EQ(Describe(inputs), R"(x:BYTES=["ab","c"])");

  json = BinaryInput("[2]", "FP16", 4);
  raw = std::string("\0\x3c\0\xc0", 4);
  ASSERT_FALSE(DecodeInferRequest(json + raw, json.size(), "m", &head, &inputs));
  EXPECT_EQ(Describe(inputs), "x:FP16=[1.0,-2.0]");
}

TEST(DecodeInferRequest, BinaryErrors) {
  struct {
    std::string json;
    std::string raw;
    std::string_view message;
  } cases[] = {
      {BinaryInput("[1]", "FP32", 8), "1234", "announces 8 bytes of binary data, 4 are left"},
      {BinaryInput("[1]", "FP32", -1), "1234", "announces -1 bytes"},
      {BinaryInput("[1]", "FP32", 4), "12345", "1 bytes follow"},
      {BinaryInput("[1]", "FP32", 3), "123", "no whole number"},
      {BinaryInput("[2]", "FP32", 4), "1234", "cannot reshape array of size 1 into shape (2,)"},
      {BinaryInput("[1]", "BYTES", 6),
       std::string("\xff\xff\xff\xff"
                   "ab",
                   6),
       "cut short"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]})", "",
       "'data' field is missing for input 'x' for model 'm'"},
      {Input("[1]", "FP16", "[1]"), "", "Receiving FP16 data via JSON is not supported"},
      {"{", "", "Unrecognized request format"},
      {"{}", "", "inputs: Field required"},
  };
  for (const auto& item : cases) {
    InferHead head;
    std::vector<Tensor> inputs;
    auto rejection =
        DecodeInferRequest(item.json + item.raw, item.json.size(), "m", &head, &inputs);
    ASSERT_TRUE(rejection) << item.json;
    EXPECT_EQ(rejection->schema_errors, "");
    EXPECT_THAT(rejection->error.message(), testing::HasSubstr(item.message));
  }
  InferHead head;
  std::vector<Tensor> inputs;
  EXPECT_TRUE(DecodeInferRequest("{}", 3, "m", &head, &inputs));
}

class Encode : public testing::Test {
 protected:
  Encode() {
    outputs_.resize(2);
    outputs_[0].Reset("a", DataType::kInt64, {2});
    outputs_[0].As<int64_t>()[0] = 1;
    outputs_[0].As<int64_t>()[1] = -2;
    outputs_[1].Reset("b", DataType::kBytes, {1});
    outputs_[1].strings = {"xy"};
  }
  Result<std::optional<size_t>> Run() {
    body_.clear();
    return EncodeInferResponse("m", "7", head_, outputs_, &body_);
  }
  InferHead head_;
  std::vector<Tensor> outputs_;
  std::string body_;
};

TEST_F(Encode, JsonOnly) {
  auto length = Run();
  ASSERT_TRUE(length);
  EXPECT_FALSE(*length);
  EXPECT_EQ(body_,
            R"({"model_name":"m","model_version":null,"id":"7","parameters":null,"outputs":[)"
            R"({"name":"a","shape":[2],"datatype":"INT64","parameters":null,"data":[1,-2]},)"
            R"({"name":"b","shape":[1],"datatype":"BYTES","parameters":null,"data":["xy"]}]})");
}

TEST_F(Encode, AllBinary) {
  head_.binary_data_output = true;
  auto length = Run();
  ASSERT_TRUE(length && *length);
  auto json = Json::Parse(std::string_view(body_).substr(0, **length));
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["outputs"][0].At({"parameters", "binary_data_size"}).AsInt(), 16);
  EXPECT_FALSE((*json)["outputs"][0].Has("data"));
  EXPECT_EQ(body_.substr(**length + 16), std::string("\x02\0\0\0xy", 6));
}

TEST_F(Encode, RequestedOutputsDecideEach) {
  head_.binary_data_output = true;  // overruled by the outputs
  head_.outputs = {{"b", true}, {"a", false}};
  auto length = Run();
  ASSERT_TRUE(length && *length);
  EXPECT_EQ(body_.substr(**length), std::string("\x02\0\0\0xy", 6));
  EXPECT_THAT(body_, testing::HasSubstr(R"("data":[1,-2])"));
  head_.outputs = {{"c", false}};
  EXPECT_EQ(Run().error().message(), "Unexpected inference output 'c' for model 'm'");
}

TEST_F(Encode, HalvesNeedBinary) {
  outputs_.resize(1);
  outputs_[0].Reset("h", DataType::kFp16, {1});
  EXPECT_THAT(Run().error().message(), testing::HasSubstr("Sending FP16 data via JSON"));
  head_.binary_data_output = true;
  EXPECT_TRUE(Run());
}

TEST_F(Encode, TextMustBeUtf8) {
  outputs_[1].strings = {"\xff"};
  EXPECT_EQ(Run().error().code(), Code::kInternal);
}

}  // namespace
}  // namespace kinglet::inference::v2
