#include <gtest/gtest.h>

#include "runtimes/trees/parity_testing.h"

namespace kinglet::runtimes {
Plugin Plugin_lightgbm();
namespace {

TEST(Lightgbm, PredictsAsTheLibrary) { testing::ExpectParity(Plugin_lightgbm(), 1e-6, 1e-6); }

// A data frame as JSON gives it: a tensor a column, in any order, text for categories.
server::PredictRequest FrameRequest(const Json& frame) {
  server::PredictRequest request{.columns = true};
  for (const auto& [name, values] : frame.AsObject()) {
    inference::Tensor& column = request.inputs.emplace_back();
    const bool text = values[0].IsString();
    column.Reset(name, text ? inference::DataType::kBytes : inference::DataType::kFp64,
                 {static_cast<int64_t>(values.size())});
    for (size_t i = 0; i < values.size(); ++i) {
      if (text) {
        column.strings[i] = values[i].AsString();
      } else {
        column.As<double>()[i] = values[i].AsDouble();
      }
    }
  }
  return request;
}

TEST(Lightgbm, TakesDataFrames) {
  int frames = 0;
  for (const testing::Cases& cases : testing::ReadCases("lightgbm")) {
    if (!cases.extra.Has("frame")) continue;
    SCOPED_TRACE(cases.name);
    ++frames;
    auto model = LoadModelFile(Plugin_lightgbm(), cases.file, {});
    ASSERT_TRUE(model) << model.error().ToString();
    server::PredictResponse response;
    server::PredictRequest request = FrameRequest(cases.extra["frame"]);
    const Status status = (*model)->Predict(request, &response);
    ASSERT_TRUE(status) << status.error().ToString();
    const auto actual = testing::Doubles(response.outputs[0]);
    const Json& expected = cases.extra["frame_expected"];
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_NEAR(actual[i], expected[i].AsDouble(), 1e-9) << i;
    }
    // A column that is not there is one of missing values, as pandas.DataFrame(..., columns=names)
    // makes it; one that the model does not know is not looked at.
    const std::span<double> last = request.inputs.back().As<double>();
    std::ranges::fill(last, std::numeric_limits<double>::quiet_NaN());
    ASSERT_TRUE((*model)->Predict(request, &response));
    const auto missing = testing::Doubles(response.outputs[0]);
    request.inputs.back().name = "unknown";
    ASSERT_TRUE((*model)->Predict(request, &response));
    EXPECT_EQ(testing::Doubles(response.outputs[0]), missing);
  }
  EXPECT_GT(frames, 2);
}

TEST(Lightgbm, RefusesAWrongNumberOfFeaturesAndHalfAFile) {
  const testing::Cases cases = testing::ReadCases("lightgbm").front();
  auto model = LoadModelFile(Plugin_lightgbm(), cases.file, {});
  ASSERT_TRUE(model);
  server::PredictRequest request;
  request.inputs.emplace_back().Reset("x", inference::DataType::kFp64, {2, 3});
  server::PredictResponse response;
  const Status status = (*model)->Predict(request, &response);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(status.error().message().starts_with("The number of features in data (3) is not"));

  const auto text = ReadFile(cases.file);
  const auto half = std::filesystem::path(::testing::TempDir()) / "half-a-model.txt";
  ASSERT_TRUE(WriteFileAtomic(half, std::string_view(*text).substr(0, text->size() / 4)));
  auto truncated = LoadModelFile(Plugin_lightgbm(), half, {});
  ASSERT_FALSE(truncated);
  EXPECT_EQ(truncated.error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace kinglet::runtimes
