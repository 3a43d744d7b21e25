#include "runtimes/lightgbm/predictor.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "runtimes/trees/input.h"

namespace kinglet::runtimes::lightgbm {
namespace {

class Predictor : public server::Model {
 public:
  Predictor(Description description, std::vector<trees::CategoryCodes> codes,
            trees::Forest<double> forest)
      : objective_(description.objective),
        outputs_(description.outputs),
        iterations_(description.average ? description.iterations : 1),
        features_(description.features, std::move(description.feature_names)),
        codes_(std::move(codes)),
        linear_leaves_(std::move(description.linear_leaves)),
        forest_(std::move(forest)) {
    features_.lenient_columns = true;
    features_.spaces_are_underscores = true;
    features_.integers_as_float32 = true;
    features_.shape_mismatch =
        "The number of features in data ({got}) is not the same as it was in training data "
        "({expected}).";
    if (!codes_.empty()) {
      features_.codes.assign(features_.count(), nullptr);
      size_t next = 0;
      for (size_t i = 0; i < features_.count(); ++i) {
        if (description.categorical[i]) features_.codes[i] = &codes_[next++];
      }
    }
    metadata_.platform = "lightgbm";
    metadata_.inputs = {
        {"input-0", inference::DataType::kFp64, {-1, static_cast<int64_t>(features_.count())}}};
    metadata_.outputs = {{"output-0", inference::DataType::kFp64, {-1}}};
    if (outputs_ > 1) metadata_.outputs[0].shape.push_back(static_cast<int64_t>(outputs_));
  }

  const server::ModelMetadata& metadata() const override { return metadata_; }

  Status Predict(const server::PredictRequest& request,
                 server::PredictResponse* response) const override {
    KINGLET_TRY(auto input, trees::Input<double>::Open(request, features_));
    const size_t n = input.rows();
    KINGLET_RETURN_IF_ERROR(server::CheckAnswerSize(n, outputs_));
    inference::Tensor& output = response->Single();
    if (outputs_ > 1) {
      output.Reset("output-0", inference::DataType::kFp64,
                   {static_cast<int64_t>(n), static_cast<int64_t>(outputs_)});
    } else {
      output.Reset("output-0", inference::DataType::kFp64, {static_cast<int64_t>(n)});
    }
    const std::span<double> out = output.As<double>();
    std::fill(out.begin(), out.end(), 0.0);
    const size_t block = trees::RowsTogether(features_.count(), outputs_);
    for (size_t first = 0; first < n; first += block) {
      const size_t count = std::min(block, n - first);
      KINGLET_TRY(const double* rows, input.Read(first, count));
      const std::span<double> scores = out.subspan(first * outputs_, count * outputs_);
      if (linear_leaves_.empty()) {
        forest_.Sum(rows, count, features_.count(), scores.data());
      } else {
        SumLinear(rows, count, scores.data());
      }
      if (iterations_ > 1) {
        for (double& x : scores) x /= static_cast<double>(iterations_);
      }
      Apply(objective_, outputs_, scores);
    }
    return {};
  }

 private:
  void SumLinear(const double* rows, size_t n, double* scores) const {
    const size_t trees = linear_leaves_.size();
    thread_local std::vector<double> leaves;
    if (leaves.size() < trees) leaves.resize(trees);
    for (size_t i = 0; i < n; ++i) {
      const double* row = rows + i * features_.count();
      std::fill_n(leaves.begin(), trees, 0.0);
      forest_.Sum(row, 1, features_.count(), leaves.data());
      for (size_t t = 0; t < trees; ++t) {
        scores[i * outputs_ + t % outputs_] +=
            Evaluate(linear_leaves_[t][static_cast<size_t>(leaves[t])], row);
      }
    }
  }

  static double Evaluate(const LinearLeaf& leaf, const double* row) {
    double sum = leaf.constant;
    for (size_t j = 0; j < leaf.features.size(); ++j) {
      const double x = row[leaf.features[j]];
      if (std::isnan(x)) return leaf.otherwise;
      sum += leaf.coefficients[j] * x;
    }
    return sum;
  }

  Objective objective_;
  size_t outputs_;
  size_t iterations_;
  trees::Features features_;
  std::vector<trees::CategoryCodes> codes_;  // of the categorical features, in order
  std::vector<std::vector<LinearLeaf>> linear_leaves_;
  trees::Forest<double> forest_;
  server::ModelMetadata metadata_;
};

// pandas_categorical has a list for each column that was of pandas' category type. They are the
// categorical features unless others were named as well; then which is which is not recorded, and
// text is refused.
Result<std::vector<trees::CategoryCodes>> ReadCodes(const Description& description,
                                                    Budget& budget) {
  std::vector<trees::CategoryCodes> all;
  if (description.pandas_categorical.empty() || description.pandas_categorical == "null") {
    return all;
  }
  // A value of JSON takes two bytes or more of text.
  KINGLET_RETURN_IF_ERROR(budget.Allocate(description.pandas_categorical.size() / 2, sizeof(Json)));
  auto lists = Json::Parse(description.pandas_categorical);
  if (!lists) return Unexpected(lists.error().WithContext("pandas_categorical"));
  const auto& columns = lists->AsArray();
  const size_t categorical = static_cast<size_t>(
      std::count(description.categorical.begin(), description.categorical.end(), true));
  if (columns.size() != categorical) return all;
  for (const Json& column : columns) {
    trees::CategoryCodes& codes = all.emplace_back();
    double code = 0;
    for (const Json& value : column.AsArray()) {
      if (value.IsString()) {
        codes.of_text.emplace(value.AsString(), code);
      } else if (value.IsNumber()) {
        codes.of_number.emplace(value.AsDouble(), code);
      } else if (value.IsBool()) {
        codes.of_number.emplace(value.AsBool() ? 1 : 0, code);
      }
      ++code;
    }
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<server::Model>> MakePredictor(Description description, Budget& budget) {
  KINGLET_TRY(auto codes, ReadCodes(description, budget));
  KINGLET_TRY(auto forest, trees::Forest<double>::Build(std::move(description.forest), budget));
  return std::make_unique<Predictor>(std::move(description), std::move(codes), std::move(forest));
}

}  // namespace kinglet::runtimes::lightgbm
