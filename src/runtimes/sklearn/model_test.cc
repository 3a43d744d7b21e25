// What the server sees of a scikit-learn model: tensors, columns, errors.
#include "runtimes/sklearn/model.h"
#include "base/file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

namespace kinglet::runtimes::sklearn {
namespace {

using inference::DataType;
using inference::Tensor;

std::unique_ptr<server::Model> Load(std::string_view path, const LoadOptions& options = {}) {
  auto bytes = ReadFile(std::filesystem::path(KINGLET_SOURCE_DIR) / path);
  EXPECT_TRUE(bytes) << path;
  Budget budget = Budget::ForInput(bytes->size());
  auto model = LoadModel(std::move(*bytes), options, budget);
  EXPECT_TRUE(model) << model.error().ToString();
  return std::move(*model);
}

constexpr std::string_view kIris = "config/samples/sklearn/iris/model.joblib";

Tensor Matrix(std::vector<int64_t> shape, const std::vector<double>& values) {
  Tensor tensor;
  tensor.Reset("input-0", DataType::kFp64, shape);
  std::ranges::copy(values, tensor.As<double>().begin());
  return tensor;
}

std::string ErrorFor(const server::Model& model, Tensor input) {
  server::PredictRequest request;
  request.inputs.push_back(std::move(input));
  server::PredictResponse response;
  const Status status = model.Predict(request, &response);
  EXPECT_FALSE(status);
  return status ? "" : status.error().message();
}

TEST(SklearnModel, AnswersKServesIrisExample) {
  const auto model = Load(kIris);
  EXPECT_EQ(model->metadata().platform, "sklearn");
  server::PredictRequest request;
  request.inputs.push_back(Matrix({2, 4}, {6.8, 2.8, 4.8, 1.4, 6.0, 3.4, 4.5, 1.6}));
  server::PredictResponse response;
  ASSERT_TRUE(model->Predict(request, &response));
  const Tensor& out = response.outputs[0];
  EXPECT_EQ(out.name, "output-0");
  EXPECT_EQ(out.datatype, DataType::kInt64);
  EXPECT_EQ(out.shape, std::vector<int64_t>{2});
  EXPECT_EQ(out.As<int64_t>()[0], 1);
  EXPECT_EQ(out.As<int64_t>()[1], 1);
}

TEST(SklearnModel, RefusesWrongInputInScikitLearnsWords) {
  const auto model = Load(kIris);
  EXPECT_EQ(ErrorFor(*model, Matrix({1, 3}, {1, 2, 3})),
            "X has 3 features, but SVC is expecting 4 features as input.");
  EXPECT_EQ(ErrorFor(*model, Matrix({1, 4}, {1, 2, 3, NAN})), "Input X contains NaN.");
  EXPECT_EQ(ErrorFor(*model, Matrix({1, 4}, {1, 2, 3, INFINITY})),
            "Input X contains infinity or a value too large for dtype('float64').");
  EXPECT_TRUE(ErrorFor(*model, Matrix({4}, {1, 2, 3, 4})).starts_with("Expected 2D array, got 1D"));
  EXPECT_TRUE(ErrorFor(*model, Matrix({0, 4}, {})).starts_with("Found array with 0 sample(s)"));
  Tensor text;
  text.Reset("input-0", DataType::kBytes, {1, 4});
  text.strings = {"a", "b", "c", "d"};
  EXPECT_EQ(ErrorFor(*model, text), "could not convert string to float: 'a'");
}

TEST(SklearnModel, SaysAtLoadThatThereIsNoPredictProba) {
  auto bytes = ReadFile(std::filesystem::path(KINGLET_SOURCE_DIR) / kIris);
  ASSERT_TRUE(bytes);
  Budget budget = Budget::ForInput(bytes->size());
  const auto model = LoadModel(std::move(*bytes), {.predict_proba = true}, budget);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kUnimplemented);
  EXPECT_EQ(model.error().message(),
            "SVC has no predict_proba: predict_proba is not available when probability=False");
}

TEST(SklearnModel, TakesColumnsInAnyOrderByName) {
  const auto model = Load("test/data/sklearn/columns/model.joblib");
  server::PredictRequest request;
  request.columns = true;
  request.inputs.resize(3);
  request.inputs[0].Reset("city", DataType::kBytes, {3});
  request.inputs[0].strings = {"Rome", "Oslo", "Lima"};
  request.inputs[1].Reset("rooms", DataType::kInt64, {3});
  std::ranges::copy(std::vector<int64_t>{2, 3, 4}, request.inputs[1].As<int64_t>().begin());
  request.inputs[2].Reset("area", DataType::kFp64, {3});
  std::ranges::copy(std::vector<double>{50, 80.5, 120}, request.inputs[2].As<double>().begin());
  server::PredictResponse response;
  const Status status = model->Predict(request, &response);
  ASSERT_TRUE(status) << status.error().ToString();
  // What pandas and scikit-learn gave, from test/parity/make_column_fixture.py.
  EXPECT_EQ(response.outputs[0].strings, (std::vector<std::string>{"cheap", "cheap", "dear"}));
  request.inputs[0].name = "town";
  const Status missing = model->Predict(request, &response);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("now missing: city"), std::string::npos);
}

}  // namespace
}  // namespace kinglet::runtimes::sklearn
