#include "runtimes/sklearn/model.h"

#include <algorithm>

#include "runtimes/pickle/file.h"
#include "runtimes/pickle/unpickler.h"
#include "runtimes/sklearn/attributes.h"
#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

using inference::DataType;
using inference::Tensor;

// A row can become much wider on its way through an estimator (PolynomialFeatures): as many rows
// are predicted together as keep this many numbers at the widest place.
constexpr size_t kBlockValues = size_t{1} << 20;

constexpr std::string_view kOutputName = "output-0";

template <class T>
void Cast(const double* values, Tensor* out) {
  const std::span<T> to = out->As<T>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<T>(values[i]);
}

template <class T>
void Pick(const double* indices, const std::vector<Labels>& classes, Tensor* out) {
  const std::span<T> to = out->As<T>();
  for (size_t i = 0; i < to.size(); ++i) {
    const Labels& labels = classes[i % classes.size()];
    const auto index = static_cast<size_t>(indices[i]);
    if constexpr (std::is_floating_point_v<T>) {
      to[i] = static_cast<T>(labels.numbers[index]);
    } else {
      to[i] = static_cast<T>(labels.integers[index]);
    }
  }
}

// Calls f with a value of the C++ type of a numeric data type.
template <class F>
void WithType(DataType type, F f) {
  switch (type) {
    case DataType::kBool:
      f(uint8_t{});
      return;
    case DataType::kInt8:
      f(int8_t{});
      return;
    case DataType::kInt16:
      f(int16_t{});
      return;
    case DataType::kInt32:
      f(int32_t{});
      return;
    case DataType::kInt64:
      f(int64_t{});
      return;
    case DataType::kUint8:
      f(uint8_t{});
      return;
    case DataType::kUint16:
      f(uint16_t{});
      return;
    case DataType::kUint32:
      f(uint32_t{});
      return;
    case DataType::kUint64:
      f(uint64_t{});
      return;
    case DataType::kFp32:
      f(float{});
      return;
    default:
      f(double{});
      return;
  }
}

}  // namespace

SklearnModel::SklearnModel(std::unique_ptr<Estimator> estimator, bool proba)
    : estimator_(std::move(estimator)), proba_(proba) {
  const Estimator::Traits& traits = estimator_->traits();
  block_rows_ = std::max<size_t>(kBlockValues / std::max<size_t>(estimator_->peak_columns(), 1), 1);
  for (size_t i = 0; i < traits.feature_names.size(); ++i) {
    column_of_name_.emplace(traits.feature_names[i], i);
  }
  output_type_ = traits.number_type;
  if (!traits.classes.empty()) output_type_ = traits.classes[0].type;
  if (proba_) output_type_ = DataType::kFp64;
  metadata_.platform = "sklearn";
  const auto features = static_cast<int64_t>(traits.features);
  metadata_.inputs.push_back({"input-0", DataType::kFp64, {-1, features > 0 ? features : -1}});
  if (proba_) {
    for (size_t k = 0; k < traits.classes.size(); ++k) {
      metadata_.outputs.push_back({fmt::format("output-{}", k),
                                   DataType::kFp64,
                                   {-1, static_cast<int64_t>(traits.classes[k].size())}});
    }
    return;
  }
  std::vector<int64_t> shape = {-1};
  if (!traits.flat) shape.push_back(static_cast<int64_t>(traits.outputs));
  metadata_.outputs.push_back({std::string(kOutputName), output_type_, std::move(shape)});
}

Result<std::unique_ptr<server::Model>> SklearnModel::Make(std::unique_ptr<Estimator> estimator,
                                                          bool proba) {
  const Estimator::Traits& traits = estimator->traits();
  if (proba && !traits.has_proba) {
    return Fail(Code::kUnimplemented, "{} has no predict_proba{}{}", traits.name,
                traits.why_no_proba.empty() ? "" : ": ", traits.why_no_proba);
  }
  if (!proba && !traits.predicts) {
    return Fail(Code::kUnimplemented, "{} has no predict: it is no model but a transformer",
                traits.name);
  }
  for (const Labels& labels : traits.classes) {
    if (labels.type != traits.classes[0].type) {
      return Fail(Code::kUnimplemented, "{} has outputs whose classes are of different types",
                  traits.name);
    }
  }
  return std::unique_ptr<server::Model>(new SklearnModel(std::move(estimator), proba));
}

Status SklearnModel::ReadMatrix(const Tensor& tensor, Rows* rows) const {
  const std::string& name = estimator_->traits().name;
  if (tensor.shape.size() < 2) {
    return Fail(Code::kInvalidArgument,
                "Expected 2D array, got {}D array instead. Reshape your data either using "
                "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if "
                "it contains a single sample.",
                tensor.shape.size());
  }
  if (tensor.shape.size() > 2) {
    return Fail(Code::kInvalidArgument, "Found array with dim {}. {} expected <= 2.",
                tensor.shape.size(), name);
  }
  const bool text = tensor.datatype == DataType::kBytes;
  rows->Reset(tensor.rows(), static_cast<size_t>(tensor.shape[1]), text);
  const size_t cells = rows->rows * rows->columns;
  if (!text) return inference::ConvertTo(tensor, std::span<double>(rows->values.data(), cells));
  if (tensor.strings.size() != cells) {
    return Fail(Code::kInvalidArgument, "input '{}' has {} strings where {} are needed",
                tensor.name, tensor.strings.size(), cells);
  }
  for (size_t i = 0; i < cells; ++i) {
    rows->values[i] = 0;
    rows->text[i] = &tensor.strings[i];
  }
  return {};
}

// Columns in the order of feature_names_in_ where the model knows names, else as they come.
Status SklearnModel::ReadColumns(const server::PredictRequest& request, Rows* rows) const {
  const std::vector<std::string>& names = estimator_->traits().feature_names;
  const size_t columns = request.inputs.size();
  if (columns == 0) return Fail(Code::kInvalidArgument, "the request has no columns");
  const size_t count = request.inputs[0].size();
  const bool text = std::ranges::any_of(
      request.inputs, [](const Tensor& t) { return t.datatype == DataType::kBytes; });
  thread_local std::vector<const Tensor*> sources;
  sources.assign(names.empty() ? columns : names.size(), nullptr);
  for (size_t i = 0; i < columns; ++i) {
    size_t place = i;
    if (!names.empty()) {
      const auto found = column_of_name_.find(request.inputs[i].name);
      if (found == column_of_name_.end()) continue;
      place = found->second;
    }
    if (sources[place] == nullptr) sources[place] = &request.inputs[i];
  }
  const auto missing = std::ranges::find(sources, nullptr);
  if (missing != sources.end()) {
    return Fail(Code::kInvalidArgument,
                "The feature names should match those that were passed during fit. Feature "
                "names seen at fit time, yet now missing: {}",
                names[static_cast<size_t>(missing - sources.begin())]);
  }
  const size_t used = sources.size();
  rows->Reset(count, used, text);
  Buffer<double> column(count);
  for (size_t c = 0; c < used; ++c) {
    const Tensor* input = sources[c];
    if (input->size() != count) {
      return Fail(Code::kInvalidArgument, "column '{}' has {} values where '{}' has {}",
                  input->name, input->size(), request.inputs[0].name, count);
    }
    if (input->datatype == DataType::kBytes) {
      if (input->strings.size() != count) {
        return Fail(Code::kInvalidArgument, "column '{}' has no strings", input->name);
      }
      for (size_t r = 0; r < count; ++r) {
        rows->values[r * used + c] = 0;
        rows->text[r * used + c] = &input->strings[r];
      }
      continue;
    }
    KINGLET_RETURN_IF_ERROR(inference::ConvertTo(*input, std::span<double>(column.data(), count)));
    for (size_t r = 0; r < count; ++r) rows->values[r * used + c] = column[r];
  }
  return {};
}

Status SklearnModel::Predict(const server::PredictRequest& request,
                             server::PredictResponse* response) const {
  const Estimator::Traits& traits = estimator_->traits();
  Rows rows;
  if (request.columns) {
    KINGLET_RETURN_IF_ERROR(ReadColumns(request, &rows));
  } else if (request.inputs.empty()) {
    return Fail(Code::kInvalidArgument, "the request has no inputs");
  } else {
    KINGLET_RETURN_IF_ERROR(ReadMatrix(request.inputs[0], &rows));
  }
  if (rows.rows == 0) {
    return Fail(Code::kInvalidArgument,
                "Found array with 0 sample(s) (shape=(0, {})) while a minimum of 1 is required by "
                "{}.",
                rows.columns, traits.name);
  }
  const size_t width = proba_ ? estimator_->proba_columns() : traits.outputs;
  KINGLET_RETURN_IF_ERROR(server::CheckAnswerSize(rows.rows, width));
  Buffer<double> values(rows.rows * width);
  const Table all = rows.table();
  for (size_t first = 0; first < all.rows; first += block_rows_) {
    const Table block = all.Slice(first, std::min(block_rows_, all.rows - first));
    double* out = values.data() + first * width;
    KINGLET_RETURN_IF_ERROR(proba_ ? estimator_->PredictProba(block, out)
                                   : estimator_->Predict(block, out));
  }
  if (!proba_) return WritePredictions(values.data(), rows.rows, &response->Single());
  response->outputs.resize(traits.classes.size());
  size_t offset = 0;
  for (size_t k = 0; k < traits.classes.size(); ++k) {
    const size_t classes = traits.classes[k].size();
    Tensor& out = response->outputs[k];
    out.Reset(metadata_.outputs[k].name, DataType::kFp64,
              {static_cast<int64_t>(rows.rows), static_cast<int64_t>(classes)});
    const std::span<double> to = out.As<double>();
    for (size_t r = 0; r < rows.rows; ++r) {
      std::copy_n(values.data() + r * width + offset, classes, to.data() + r * classes);
    }
    offset += classes;
  }
  return {};
}

Status SklearnModel::WritePredictions(const double* values, size_t rows, Tensor* out) const {
  const Estimator::Traits& traits = estimator_->traits();
  if (traits.flat) {
    out->Reset(kOutputName, output_type_, {static_cast<int64_t>(rows)});
  } else {
    out->Reset(kOutputName, output_type_,
               {static_cast<int64_t>(rows), static_cast<int64_t>(traits.outputs)});
  }
  const std::vector<Labels>& classes = traits.classes;
  for (size_t i = 0; !classes.empty() && i < rows * traits.outputs; ++i) {
    if (!(values[i] >= 0 && values[i] < static_cast<double>(classes[i % classes.size()].size()))) {
      return Fail(Code::kInternal, "{} gives a class that it does not have", traits.name);
    }
  }
  if (output_type_ == DataType::kBytes) {
    size_t left = server::kMaxAnswerText;
    for (size_t i = 0; i < out->strings.size(); ++i) {
      const std::string& label =
          classes[i % classes.size()].strings[static_cast<size_t>(values[i])];
      if (label.size() > left) {
        return Fail(Code::kInvalidArgument,
                    "the labels in the answer to {} rows have over {} bytes: send fewer rows in "
                    "one request",
                    rows, server::kMaxAnswerText);
      }
      left -= label.size();
      out->strings[i] = label;
    }
    return {};
  }
  WithType(output_type_, [&]<class T>(T) {
    if (classes.empty()) {
      Cast<T>(values, out);
    } else {
      Pick<T>(values, classes, out);
    }
  });
  return {};
}

Result<std::unique_ptr<server::Model>> LoadModel(std::string bytes, const LoadOptions& options,
                                                 Budget& budget) {
  KINGLET_TRY(std::string plain, pickle::Decompress(std::move(bytes), budget));
  KINGLET_TRY(const std::unique_ptr<const pickle::Graph> graph,
              pickle::Unpickle(std::move(plain), budget));
  LoadContext context{.budget = budget, .options = options, .version = {}};
  KINGLET_TRY(std::unique_ptr<Estimator> estimator, BuildEstimator(graph->root(), context));
  return SklearnModel::Make(std::move(estimator), options.predict_proba);
}

}  // namespace kinglet::runtimes::sklearn
