#include "runtimes/xgboost/predictor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "runtimes/trees/input.h"

namespace kinglet::runtimes::xgboost {
namespace {

// gblinear: each margin is a dot product over the features that are not missing.
class Linear {
 public:
  Linear(size_t features, size_t outputs, std::vector<float> weights)
      : features_(features), outputs_(outputs), weights_(std::move(weights)) {}

  void Sum(const float* rows, size_t n, double* out) const {
    for (size_t i = 0; i < n; ++i) {
      const float* row = rows + i * features_;
      for (size_t k = 0; k < outputs_; ++k) {
        float sum = weights_[features_ * outputs_ + k] + static_cast<float>(out[i * outputs_ + k]);
        for (size_t j = 0; j < features_; ++j) {
          if (!std::isnan(row[j])) sum += row[j] * weights_[j * outputs_ + k];
        }
        out[i * outputs_ + k] = sum;
      }
    }
  }

 private:
  size_t features_;
  size_t outputs_;
  std::vector<float> weights_;
};

class Predictor : public server::Model {
 public:
  Predictor(Description description, std::optional<trees::Forest<float>> forest)
      : transform_(description.objective.transform),
        outputs_(description.outputs),
        base_margins_(std::move(description.base_margins)),
        features_(description.features, std::move(description.feature_names)),
        linear_(description.features, description.outputs, std::move(description.weights)),
        forest_(std::move(forest)) {
    metadata_.platform = "xgboost";
    metadata_.inputs = {
        {"input-0", inference::DataType::kFp32, {-1, static_cast<int64_t>(features_.count())}}};
    metadata_.outputs = {{"output-0", inference::DataType::kFp32, {-1}}};
    if (Wide()) metadata_.outputs[0].shape.push_back(static_cast<int64_t>(outputs_));
  }

  const server::ModelMetadata& metadata() const override { return metadata_; }

  Status Predict(const server::PredictRequest& request,
                 server::PredictResponse* response) const override {
    KINGLET_TRY(auto input, trees::Input<float>::Open(request, features_));
    const size_t n = input.rows();
    KINGLET_RETURN_IF_ERROR(server::CheckAnswerSize(n, outputs_));
    inference::Tensor& output = response->Single();
    if (Wide()) {
      output.Reset("output-0", inference::DataType::kFp32,
                   {static_cast<int64_t>(n), static_cast<int64_t>(outputs_)});
    } else {
      output.Reset("output-0", inference::DataType::kFp32, {static_cast<int64_t>(n)});
    }
    const std::span<float> out = output.As<float>();
    const size_t width = Wide() ? outputs_ : 1;
    thread_local std::vector<double> margins;
    const size_t block = trees::RowsTogether(features_.count(), outputs_);
    if (margins.size() < block * outputs_) margins.resize(block * outputs_);
    for (size_t first = 0; first < n; first += block) {
      const size_t count = std::min(block, n - first);
      KINGLET_TRY(const float* rows, input.Read(first, count));
      KINGLET_RETURN_IF_ERROR(RefuseInfinity(rows, count * features_.count()));
      for (size_t i = 0; i < count; ++i) {
        std::copy(base_margins_.begin(), base_margins_.end(), margins.begin() + i * outputs_);
      }
      if (forest_) {
        forest_->Sum(rows, count, features_.count(), margins.data());
      } else {
        linear_.Sum(rows, count, margins.data());
      }
      Apply(transform_, std::span(margins).first(count * outputs_), outputs_,
            out.subspan(first * width, count * width));
    }
    return {};
  }

 private:
  bool Wide() const { return outputs_ > 1 && transform_ != Transform::kArgMax; }

  // As DMatrix does. NaN is a missing value.
  static Status RefuseInfinity(const float* values, size_t n) {
    bool infinite = false;
    for (size_t i = 0; i < n; ++i) {
      infinite |= std::abs(values[i]) == std::numeric_limits<float>::infinity();
    }
    if (!infinite) return {};
    return Fail(Code::kInvalidArgument,
                "Input data contains `inf` or a value too large, while "
                "`missing` is not set to `inf`");
  }

  Transform transform_;
  size_t outputs_;
  std::vector<float> base_margins_;
  trees::Features features_;
  Linear linear_;
  std::optional<trees::Forest<float>> forest_;  // none: linear
  server::ModelMetadata metadata_;
};

}  // namespace

Result<Description> ReadModel(std::string_view bytes, Budget& budget) {
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first != bytes.npos && bytes[first] == '{') {
    // JSON continues with a name or the end; UBJSON with the type of a length.
    const size_t next = bytes.find_first_not_of(" \t\r\n", first + 1);
    const bool json = next != bytes.npos && (bytes[next] == '"' || bytes[next] == '}');
    KINGLET_TRY(const Value document, json ? ParseJson(bytes, budget) : ParseUbjson(bytes, budget));
    return ReadDocument(document, budget);
  }
  if (LooksLikeBinary(bytes)) return ReadBinary(bytes, budget);
  return Fail(Code::kInvalidArgument,
              "not a model of XGBoost: neither JSON, UBJSON nor its former binary format; save the "
              "model with Booster.save_model('model.json')");
}

Result<std::unique_ptr<server::Model>> MakePredictor(Description description, Budget& budget) {
  std::optional<trees::Forest<float>> forest;
  if (!description.linear) {
    KINGLET_TRY(forest, trees::Forest<float>::Build(std::move(description.forest), budget));
  }
  return std::make_unique<Predictor>(std::move(description), std::move(forest));
}

}  // namespace kinglet::runtimes::xgboost
