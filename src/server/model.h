// What a model format must give the server. The server owns models as shared_ptr<const Model>
// snapshots: a model dies when its last request does.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "inference/tensor.h"

namespace kinglet::server {

struct TensorMetadata {
  std::string name;
  inference::DataType datatype = inference::DataType::kFp64;
  std::vector<int64_t> shape;  // -1: any
};

struct ModelMetadata {
  std::string platform;  // e.g. "sklearn", "xgboost"
  std::vector<TensorMetadata> inputs;
  std::vector<TensorMetadata> outputs;
};

// One decoded request. V1 `instances` of numbers arrive as one tensor [rows, ...] (INT64 where
// every number is an integer, else FP64); lists of objects and V2 requests with
// `parameters.content_type: pd` arrive as one tensor a column, named after it, with
// `columns` true. Of several inputs without `columns` KServe's servers read the first one only.
struct PredictRequest {
  std::vector<inference::Tensor> inputs;
  bool columns = false;
};

// The server clears and reuses this between requests; a model sets outputs with Tensor::Reset, so
// that a warm request allocates nothing.
struct PredictResponse {
  std::vector<inference::Tensor> outputs;
  // Makes `outputs` hold exactly n tensors, reusing what is there.
  inference::Tensor& Single() {
    outputs.resize(1);
    return outputs[0];
  }
};

// The most values an answer may hold. A small model and a small request can ask for far more than
// either of them is: a row of a request takes three bytes, and an answer has a value for each row
// and each of the model's outputs.
inline constexpr size_t kMaxAnswerValues = size_t{1} << 26;

// kInvalidArgument if `rows` rows of `columns` values are more. Predict calls it before it
// allocates.
inline Status CheckAnswerSize(size_t rows, size_t columns) {
  if (rows == 0 || columns <= kMaxAnswerValues / rows) return {};
  return Fail(Code::kInvalidArgument,
              "the answer to {} rows has {} values a row, over the limit of {} values: send fewer "
              "rows in one request",
              rows, columns, kMaxAnswerValues);
}

// The most bytes that the text of an answer may hold: a model may have labels of any length, and an
// answer repeats one for each row.
inline constexpr size_t kMaxAnswerText = size_t{1} << 26;

class Model {
 public:
  virtual ~Model() = default;

  virtual const ModelMetadata& metadata() const = 0;

  // Predicts a batch. Thread-safe: called concurrently from several event loops. Deterministic,
  // does not block on I/O. Wrong input (columns, types, NaN where the model has no answer) is
  // kInvalidArgument; a failure inside the model is kInternal. Output tensors are named
  // "output-0" unless the format names its outputs.
  virtual Status Predict(const PredictRequest& request, PredictResponse* response) const = 0;
};

}  // namespace kinglet::server
