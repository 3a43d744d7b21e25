#include "inference/v1/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "inference/tensor_json.h"

namespace kinglet::inference::v1 {
namespace {

// "name:TYPE[shape]=nested" of each tensor.
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

struct Case {
  std::string_view body;
  std::string_view expected;  // Describe's text, or the error's message
};

class DecodeGood : public testing::TestWithParam<Case> {};
TEST_P(DecodeGood, Body) {
  std::vector<Tensor> inputs;
  // Storage left over from another request must not shine through.
  ASSERT_TRUE(DecodeRequest(R"({"instances":[["x","y"],["z","w"]]})", &inputs));
  auto decoded = DecodeRequest(GetParam().body, &inputs);
  ASSERT_TRUE(decoded) << decoded.error().ToString();
  EXPECT_TRUE(decoded->has_instances);
  EXPECT_EQ(Describe(inputs), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    V1, DecodeGood,
    testing::Values(
        Case{R"({"instances": [[1, 2], [3, 4]]})", "instances:INT64=[[1,2],[3,4]]"},
        Case{R"({"instances":[[1,2.5],[-3,1e2]]})", "instances:FP64=[[1.0,2.5],[-3.0,100.0]]"},
        Case{R"({"instances":[true,false]})", "instances:BOOL=[true,false]"},
        Case{R"({"instances":[true,2]})", "instances:INT64=[1,2]"},
        Case{R"({"instances":[2,true,0.5]})", "instances:FP64=[2.0,1.0,0.5]"},
        Case{R"({"instances":[1,null]})", "instances:FP64=[1.0,null]"},
        Case{R"({"instances":[NaN,Infinity,-Infinity]})", "instances:FP64=[null,null,null]"},
        Case{R"({"instances":["a","\u00e9\ud83d\ude00\n"]})", "instances:BYTES=[\"a\",\"é😀\\n\"]"},
        Case{R"({"instances":[[1,"a"],[2.5,"b"]]})", R"(instances:BYTES=[["1","a"],["2.5","b"]])"},
        Case{R"({"instances":[["a",1],["b",true]]})",
             R"(instances:BYTES=[["a","1"],["b","True"]])"},
        Case{R"({"instances":[]})", "instances:FP64=[]"},
        Case{R"({"instances":[[],[]]})", "instances:FP64=[[],[]]"},
        Case{R"({"instances":[[[1],[2]],[[3],[4]]]})", "instances:INT64=[[[1],[2]],[[3],[4]]]"},
        Case{R"({"inputs":[1],"instances":[2]})", "instances:INT64=[1]"},
        Case{R"({"instances":[2],"inputs":[1]})", "instances:INT64=[1]"},
        Case{R"({"signature_name":{"a":[1,{}]},"instances":[7]})", "instances:INT64=[7]"},
        Case{R"({"instances":[9223372036854775807,-9223372036854775808]})",
             "instances:INT64=[9223372036854775807,-9223372036854775808]"},
        Case{R"({"instances":[9223372036854775808]})", "instances:FP64=[9.223372036854776e+18]"},
        Case{R"({"instances":[{"a":1,"b":"x"},{"a":2.5,"b":"y"}]})",
             R"(a:FP64=[1.0,2.5] b:BYTES=["x","y"])"},
        Case{R"({"instances":[{"b":1,"a":2},{"a":3,"b":4}]})", "b:INT64=[1,4] a:INT64=[2,3]"},
        Case{R"({"instances":[{"a":{"0":1,"1":2},"b":{"0":3,"1":4}}]})",
             "a:INT64=[1,2] b:INT64=[3,4]"},
        Case{R"({"instances":[{"a":[1,2],"b":[3,4]},{"a":[5],"b":[6]}]})",
             "a:INT64=[1,2,5] b:INT64=[3,4,6]"},
        Case{R"({"instances":[[{"a":1},{"a":2}],[{"a":3}]]})", "a:INT64=[1,2,3]"},
        Case{R"({"instances":[{"a":1},{"b":2}]})", "a:FP64=[1.0,null] b:FP64=[null,2.0]"}));

class DecodeBad : public testing::TestWithParam<Case> {};
TEST_P(DecodeBad, Body) {
  std::vector<Tensor> inputs;
  auto decoded = DecodeRequest(GetParam().body, &inputs);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(decoded.error().message(), testing::HasSubstr(GetParam().expected));
}
INSTANTIATE_TEST_SUITE_P(
    V1, DecodeBad,
    testing::Values(
        Case{"", "Unrecognized request format: the JSON ends early"},
        Case{"{", "Unrecognized request format: "}, Case{"[1]", "expected an object"},
        Case{R"({"instances":1})", "Expected \"instances\" to be a list"},
        Case{R"({"instances":"x"})", "Expected \"instances\" to be a list"},
        Case{R"({"instances":[[1,2],[3]]})", "ragged"}, Case{R"({"instances":[[1],2]})", "ragged"},
        Case{R"({"instances":[1,[2]]})", "ragged"}, Case{R"({"instances":[[],[[]]]})", "ragged"},
        Case{R"({"instances":[[[]],[]]})", "ragged"}, Case{R"({"instances":[[],1]})", "ragged"},
        Case{R"({"instances":[1,{"a":1}]})", "an object stands among"},
        Case{R"({"instances":[{"a":1},2]})", "expected an object"},
        Case{R"({"instances":[{"a":[1,2],"b":[1]}]})", "differ in length"},
        Case{R"({"instances":[{"a":1,"a":2}]})", "twice"},
        Case{R"({"instances":[{"a":[[1]]}]})", "a list stands"},
        Case{R"({"instances":[01]})", "begins with 0"}, Case{R"({"instances":[1.]})", "no digits"},
        Case{R"({"instances":[1e]})", "no digits"},
        Case{R"({"instances":[-]})", "expected a number"},
        Case{R"({"instances":[+1]})", "expected a number"},
        Case{R"({"instances":[1,]})", "expected a number"},
        Case{R"({"instances":[nul]})", "expected null"},
        Case{R"({"instances":["a",null]})", "null"},
        Case{R"({"instances":["\ud800"]})", "surrogate"},
        Case{"{\"instances\":[\"\xff\"]}", "UTF-8"}, Case{R"({"instances":[1]} x)", "follows"}));

TEST(DecodeRequest, DeepNestingIsRefused) {
  std::vector<Tensor> inputs;
  std::string deep = R"({"instances":)" + std::string(100'000, '[');
  EXPECT_FALSE(DecodeRequest(deep, &inputs));
  deep = R"({"x":)" + std::string(100'000, '[');
  EXPECT_FALSE(DecodeRequest(deep, &inputs));
}

// More columns than are looked through one by one, in another order in each row.
TEST(DecodeRequest, ManyColumnsAreFoundWhateverTheirOrder) {
  constexpr int kColumns = 200;
  std::string body = R"({"instances":[)";
  constexpr int kSteps[] = {1, 3, 199};
  for (int row = 0; row < 3; ++row) {
    body += row == 0 ? "{" : ",{";
    for (int i = 0; i < kColumns; ++i) {
      const int column = (i * kSteps[row] + row) % kColumns;
      body += fmt::format("{}\"c{}\":{}", i == 0 ? "" : ",", column, 1000 * row + column);
    }
    body += "}";
  }
  std::vector<Tensor> inputs;
  const auto decoded = DecodeRequest(body + "]}", &inputs);
  ASSERT_TRUE(decoded) << decoded.error().ToString();
  ASSERT_EQ(inputs.size(), size_t{kColumns});
  for (int column = 0; column < kColumns; ++column) {
    EXPECT_EQ(inputs[column].name, fmt::format("c{}", column));
    for (int row = 0; row < 3; ++row) {
      EXPECT_EQ(inputs[column].As<int64_t>()[row], 1000 * row + column);
    }
  }
}

TEST(DecodeRequest, CellsThatRowsLeaveOutAreBounded) {
  std::string body = R"({"instances":[{"a":0)";
  for (int i = 0; i < 20'000; ++i) body += fmt::format(",\"c{}\":0", i);
  body += "}";
  for (int i = 0; i < 2000; ++i) body += R"(,{"a":0})";
  std::vector<Tensor> inputs;
  const auto decoded = DecodeRequest(body + "]}", &inputs);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(decoded.error().message(), testing::HasSubstr("leave out too many columns"));
}

TEST(DecodeRequest, WithoutInstances) {
  std::vector<Tensor> inputs;
  auto decoded = DecodeRequest(R"({"data": {}})", &inputs);
  ASSERT_TRUE(decoded);
  EXPECT_FALSE(decoded->has_instances);
}

TEST(DecodeRequest, NumbersReadAsStrtodReadsThem) {
  for (const char* text :
       {"0.1", "-0.0", "0.8444218515250481", "1e23", "8.41e21", "5e-324", "2.2250738585072011e-308",
        "1.7976931348623157e308", "9007199254740993.0", "123456789012345678901234567890",
        "0.000000000000000000000000000001e40", "1e400", "-1e400", "1e-400",
        "9007199254740991e-22"}) {
    std::vector<Tensor> inputs;
    ASSERT_TRUE(DecodeRequest(fmt::format(R"({{"instances":[{}]}})", text), &inputs)) << text;
    ASSERT_EQ(inputs[0].datatype, DataType::kFp64);
    EXPECT_EQ(inputs[0].As<double>()[0], std::strtod(text, nullptr)) << text;
  }
}

TEST(EncodeResponse, NestedLists) {
  Tensor output;
  output.Reset("output-0", DataType::kFp32, {2, 2});
  auto values = output.As<float>();
  values[0] = 0.1f;
  values[1] = 1;
  values[2] = NAN;
  values[3] = 1e-5f;
  std::string body;
  ASSERT_TRUE(EncodeResponse({&output, 1}, &body));
  EXPECT_EQ(body, R"({"predictions":[[0.10000000149011612,1.0],[null,9.999999747378752e-06]]})");
}

TEST(EncodeResponse, SeveralOutputsAreRows) {
  std::vector<Tensor> outputs(2);
  outputs[0].Reset("label", DataType::kBytes, {2});
  outputs[0].strings = {"a", "b\""};
  outputs[1].Reset("p", DataType::kFp64, {2, 2});
  for (size_t i = 0; i < 4; ++i) outputs[1].As<double>()[i] = static_cast<double>(i) / 4;
  std::string body;
  ASSERT_TRUE(EncodeResponse(outputs, &body));
  EXPECT_EQ(body,
            R"({"predictions":[{"label":"a","p":[0.0,0.25]},{"label":"b\"","p":[0.5,0.75]}]})");
  outputs[0].strings[0] = "\xff";
  EXPECT_EQ(EncodeResponse(outputs, &body).error().code(), Code::kInternal);
}

}  // namespace
}  // namespace kinglet::inference::v1
