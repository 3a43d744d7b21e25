// Every fixture that a real scikit-learn wrote (test/parity/make_sklearn_fixtures.py) must predict
// what that scikit-learn predicted: classes exactly, numbers to 1e-6. Prints a table.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "base/file.h"
#include "base/json.h"
#include "inference/tensor.h"
#include "runtimes/plugin.h"

namespace kinglet::runtimes {

Plugin Plugin_sklearn();

namespace sklearn {
namespace {

using inference::DataType;
using inference::Tensor;

std::filesystem::path Fixtures() {
  return std::filesystem::path(KINGLET_SOURCE_DIR) / "test/data/sklearn";
}

Tensor MatrixOf(const Json& rows) {
  Tensor tensor;
  const auto n = static_cast<int64_t>(rows.size());
  const auto k = static_cast<int64_t>(rows[0].size());
  tensor.Reset("input-0", DataType::kFp64, {n, k});
  size_t i = 0;
  for (const Json& row : rows.AsArray()) {
    for (const Json& cell : row.AsArray()) {
      tensor.As<double>()[i++] =
          cell.IsNull() ? std::numeric_limits<double>::quiet_NaN() : cell.AsDouble();
    }
  }
  return tensor;
}

void Flatten(const Json& value, std::vector<const Json*>* out) {
  if (!value.IsArray()) return out->push_back(&value);
  for (const Json& item : value.AsArray()) Flatten(item, out);
}

double Element(const Tensor& tensor, size_t i) {
  if (tensor.datatype == DataType::kBool) return tensor.As<uint8_t>()[i];
  std::vector<double> all(tensor.size());
  EXPECT_TRUE(inference::ConvertTo(tensor, std::span<double>(all)));
  return all[i];
}

// The largest relative difference; infinity where something is not equal that must be.
double Difference(const std::vector<Tensor>& outputs, const Json& expected) {
  std::vector<const Json*> wanted;
  Flatten(expected, &wanted);
  size_t i = 0;
  double worst = 0;
  for (const Tensor& tensor : outputs) {
    for (size_t k = 0; k < tensor.size(); ++k, ++i) {
      if (i >= wanted.size()) return INFINITY;
      const Json& want = *wanted[i];
      if (tensor.datatype == DataType::kBytes) {
        if (want.AsString() != tensor.strings[k]) return INFINITY;
        continue;
      }
      const double got = Element(tensor, k);
      if (want.IsBool() ? got != (want.AsBool() ? 1 : 0)
                        : want.IsInt() && got != static_cast<double>(want.AsInt())) {
        return INFINITY;
      }
      if (want.IsDouble()) {
        const double w = want.AsDouble();
        worst = std::max(worst, std::abs(got - w) / std::max(std::abs(w), 1e-3));
      }
    }
  }
  return i == wanted.size() ? worst : INFINITY;
}

std::string_view NumpyType(DataType type) {
  switch (type) {
    case DataType::kBool:
      return "b1";
    case DataType::kInt32:
      return "i4";
    case DataType::kInt64:
      return "i8";
    case DataType::kFp32:
      return "f4";
    case DataType::kFp64:
      return "f8";
    default:
      return "?";
  }
}

double RunModel(const std::filesystem::path& file, const Json& record, const Tensor& input,
                bool proba, std::string* error) {
  auto model = LoadModelFile(Plugin_sklearn(), file, {.predict_proba = proba});
  if (!model) {
    *error = model.error().ToString();
    return INFINITY;
  }
  server::PredictRequest request;
  request.inputs.push_back(input);
  server::PredictResponse response;
  const Status status = (*model)->Predict(request, &response);
  if (!status) {
    *error = status.error().ToString();
    return INFINITY;
  }
  const DataType type = response.outputs[0].datatype;
  const std::string dtype = record["dtype"].AsString();
  if (!proba && type != DataType::kBytes && dtype != NumpyType(type) && dtype[0] != 'O') {
    *error = "gives " + std::string(inference::DataTypeName(type)) + " for numpy's " + dtype;
  }
  return Difference(response.outputs, record[proba ? "proba" : "predict"]);
}

TEST(SklearnParity, EveryFixture) {
  size_t versions = 0;
  for (const auto& folder : std::filesystem::directory_iterator(Fixtures())) {
    if (!std::filesystem::exists(folder.path() / "expected.json")) continue;
    auto text = ReadFile(folder.path() / "expected.json");
    ASSERT_TRUE(text) << folder.path();
    auto expected = Json::Parse(*text);
    ASSERT_TRUE(expected) << expected.error().ToString();
    ++versions;
    for (const Json& record : (*expected)["models"].AsArray()) {
      const Tensor input = MatrixOf((*expected)["data"][record["data"].AsString()]);
      const std::filesystem::path file = folder.path() / record["file"].AsString();
      for (const bool proba : {false, true}) {
        if (proba && record["proba"].IsNull()) continue;
        std::string error;
        const double difference = RunModel(file, record, input, proba, &error);
        std::printf("%-8s %-36s %-14s %3zu rows  max rel diff %.1e\n",
                    (*expected)["version"].AsString().c_str(), record["file"].AsString().c_str(),
                    proba ? "predict_proba" : "predict", input.rows(), difference);
        // Here scikit-learn fits the first estimator on float32 and adds up in float32.
        const bool float32 = record["name"].AsString() == "gradient_boosting_init";
        EXPECT_LE(difference, float32 ? 1e-4 : 1e-6) << file << ": " << error;
        EXPECT_EQ(error, "") << file;
      }
    }
  }
  EXPECT_GE(versions, 5u);
}

}  // namespace
}  // namespace sklearn
}  // namespace kinglet::runtimes
