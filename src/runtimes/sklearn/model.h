// A loaded scikit-learn model as the server sees it: tensors in, tensors out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/budget.h"
#include "base/result.h"
#include "base/seeded_hash.h"
#include "runtimes/plugin.h"
#include "runtimes/sklearn/estimator.h"
#include "server/model.h"

namespace kinglet::runtimes::sklearn {

class SklearnModel : public server::Model {
 public:
  // `proba`: predict_proba instead of predict. kUnimplemented where the estimator has not got it.
  static Result<std::unique_ptr<server::Model>> Make(std::unique_ptr<Estimator> estimator,
                                                     bool proba);

  const server::ModelMetadata& metadata() const override { return metadata_; }
  Status Predict(const server::PredictRequest& request,
                 server::PredictResponse* response) const override;

 private:
  SklearnModel(std::unique_ptr<Estimator> estimator, bool proba);

  Status ReadColumns(const server::PredictRequest& request, Rows* rows) const;
  Status ReadMatrix(const inference::Tensor& tensor, Rows* rows) const;
  Status WritePredictions(const double* values, size_t rows, inference::Tensor* out) const;

  std::unique_ptr<Estimator> estimator_;
  // From the estimator's feature names to their positions; views of its traits.
  std::unordered_map<std::string_view, size_t, SeededHash> column_of_name_;
  bool proba_;
  size_t block_rows_;  // predicted together
  inference::DataType output_type_ = inference::DataType::kFp64;
  server::ModelMetadata metadata_;
};

// From a pickle's bytes (compressed or not), within the file's budget.
Result<std::unique_ptr<server::Model>> LoadModel(std::string bytes, const LoadOptions& options,
                                                 Budget& budget);

}  // namespace kinglet::runtimes::sklearn
