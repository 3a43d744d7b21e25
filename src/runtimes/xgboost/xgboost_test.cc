#include <gtest/gtest.h>

#include "runtimes/trees/parity_testing.h"
#include "runtimes/xgboost/predictor.h"

namespace kinglet::runtimes {
Plugin Plugin_xgboost();
namespace {

TEST(Xgboost, PredictsAsTheLibrary) {
  // Margins near zero are sums of larger leaves in float32.
  testing::ExpectParity(Plugin_xgboost(), 1e-6, 1.0);
}

testing::Cases Named(std::string_view ending) {
  for (testing::Cases& cases : testing::ReadCases("xgboost")) {
    if (cases.name.ends_with(ending)) return std::move(cases);
  }
  ADD_FAILURE() << ending;
  return {};
}

TEST(Xgboost, OrdersColumnsByName) {
  const testing::Cases cases = Named("3.4.1-names");
  auto model = LoadModelFile(Plugin_xgboost(), cases.file, {});
  ASSERT_TRUE(model) << model.error().ToString();
  const size_t n = cases.expected.size();
  server::PredictRequest request{.columns = true};
  for (size_t j = cases.columns; j-- > 0;) {
    auto& column = request.inputs.emplace_back();
    column.Reset(cases.names[j], inference::DataType::kFp64, {static_cast<int64_t>(n)});
    for (size_t i = 0; i < n; ++i) {
      column.As<double>()[i] = cases.rows[i * cases.columns + j];
    }
  }
  server::PredictResponse response;
  ASSERT_TRUE((*model)->Predict(request, &response));
  const auto actual = testing::Doubles(response.outputs[0]);
  for (size_t i = 0; i < n; ++i) EXPECT_NEAR(actual[i], cases.expected[i], 1e-6);

  request.inputs[0].name = "other";
  const Status unknown = (*model)->Predict(request, &response);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message().find("column 'other' is none of the model's features"),
            std::string::npos);
  request.inputs.erase(request.inputs.begin());
  const Status missing = (*model)->Predict(request, &response);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("expected column 'f'"), std::string::npos);
}

// KServe's get_predict_input takes the first input where the request is no data frame.
TEST(Xgboost, TakesTheFirstOfSeveralInputs) {
  const testing::Cases cases = Named("3.4.1-names");
  auto model = LoadModelFile(Plugin_xgboost(), cases.file, {});
  ASSERT_TRUE(model);
  server::PredictRequest request;
  request.inputs.resize(2);
  request.inputs[0].Reset("rows", inference::DataType::kFp64, {1, 6});
  std::ranges::copy_n(cases.rows.begin(), 6, request.inputs[0].As<double>().begin());
  request.inputs[1].Reset("more", inference::DataType::kFp64, {3});
  server::PredictResponse response;
  const Status status = (*model)->Predict(request, &response);
  ASSERT_TRUE(status) << status.error().ToString();
  EXPECT_EQ(response.outputs[0].rows(), 1u);
}

TEST(Xgboost, RefusesWrongInput) {
  const testing::Cases cases = Named("3.4.1-names");
  auto model = LoadModelFile(Plugin_xgboost(), cases.file, {});
  ASSERT_TRUE(model);
  server::PredictResponse response;
  auto refused = [&](std::initializer_list<int64_t> shape, inference::DataType type, double fill) {
    server::PredictRequest request;
    auto& input = request.inputs.emplace_back();
    input.Reset("x", type, shape);
    if (type == inference::DataType::kFp64) std::ranges::fill(input.As<double>(), fill);
    const Status status = (*model)->Predict(request, &response);
    EXPECT_FALSE(status);
    return status ? "" : status.error().message();
  };
  using inference::DataType;
  EXPECT_EQ(refused({1, 3}, DataType::kFp64, 0), "Feature shape mismatch, expected: 6, got 3");
  EXPECT_EQ(refused({6}, DataType::kFp64, 0), "Expecting 2 dimensional input, got: (6)");
  EXPECT_EQ(refused({1, 6}, DataType::kBytes, 0),
            "input 'x' is text (BYTES) where numbers are needed");
  EXPECT_TRUE(refused({1, 6}, DataType::kFp64, 1e300).starts_with("Input data contains `inf`"));
}

TEST(Xgboost, RefusesTruncatedFilesOfEveryFormat) {
  for (std::string_view ending : {"1.7.6-dart-json", "1.7.6-dart-ubj", "1.7.6-dart-binary",
                                  "3.4.1-partition-ubj", "1.3.3-linear-binary"}) {
    const testing::Cases cases = Named(ending);
    const auto whole = ReadFile(cases.file);
    ASSERT_TRUE(whole);
    // The binary format ends with attributes that prediction does not read.
    const size_t end = ending.ends_with("binary") ? whole->size() * 3 / 4 : whole->size() - 1;
    for (size_t size = 0; size < end; size += 1 + size / 40) {
      Budget budget = Budget::ForInput(size);
      auto description = xgboost::ReadModel(std::string_view(*whole).substr(0, size), budget);
      ASSERT_FALSE(description) << ending << " at " << size;
      ASSERT_EQ(description.error().code(), Code::kInvalidArgument);
    }
  }
}

TEST(Xgboost, RefusesWithAReason) {
  auto why = [](std::string_view text) {
    Budget budget = Budget::ForInput(text.size());
    auto description = xgboost::ReadModel(text, budget);
    return description ? "" : description.error().ToString();
  };
  EXPECT_NE(why("").find("save_model('model.json')"), std::string::npos);
  EXPECT_NE(why("{}").find("no \"learner\""), std::string::npos);
  EXPECT_NE(why(R"({"learner":{"objective":{"name":"mine"}}})").find("UNIMPLEMENTED"),
            std::string::npos);
  EXPECT_NE(why("{\"a\":" + std::string(100000, '[')).find("nested too deeply"), std::string::npos);
  // A typed array of nothing would cost no bytes an element.
  EXPECT_NE(why("{i\x01"
                "a[$T#i\x7f}")
                .find("a type with a size"),
            std::string::npos);
}

}  // namespace
}  // namespace kinglet::runtimes
