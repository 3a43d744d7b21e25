#include "runtimes/trees/input.h"

#include <algorithm>
#include <limits>

namespace kinglet::runtimes::trees {
namespace {

using inference::DataType;
using inference::Tensor;

template <class T>
struct Scratch {
  std::vector<T> rows;
  std::vector<const Tensor*> columns;  // by feature
};

template <class T>
Scratch<T>& ThreadScratch() {
  thread_local Scratch<T> scratch;
  return scratch;
}

template <class From, class T, class Convert>
void Copy(const Tensor& tensor, size_t first, size_t count, T* out, size_t stride,
          Convert convert) {
  const From* in = tensor.As<From>().data() + first;
  for (size_t i = 0; i < count; ++i) out[i * stride] = convert(in[i]);
}

// `count` elements of the tensor from `first` on, `stride` apart in `out`.
template <class T>
void Convert(const Tensor& tensor, size_t first, size_t count, T* out, size_t stride) {
  const auto cast = [](auto x) { return static_cast<T>(x); };
  switch (tensor.datatype) {
    case DataType::kBool:
      return Copy<uint8_t>(tensor, first, count, out, stride, [](uint8_t x) { return T(x != 0); });
    case DataType::kInt8:
      return Copy<int8_t>(tensor, first, count, out, stride, cast);
    case DataType::kInt16:
      return Copy<int16_t>(tensor, first, count, out, stride, cast);
    case DataType::kInt32:
      return Copy<int32_t>(tensor, first, count, out, stride, cast);
    case DataType::kInt64:
      return Copy<int64_t>(tensor, first, count, out, stride, cast);
    case DataType::kUint8:
      return Copy<uint8_t>(tensor, first, count, out, stride, cast);
    case DataType::kUint16:
      return Copy<uint16_t>(tensor, first, count, out, stride, cast);
    case DataType::kUint32:
      return Copy<uint32_t>(tensor, first, count, out, stride, cast);
    case DataType::kUint64:
      return Copy<uint64_t>(tensor, first, count, out, stride, cast);
    case DataType::kFp16:
      return Copy<uint16_t>(tensor, first, count, out, stride,
                            [](uint16_t x) { return T(inference::HalfToFloat(x)); });
    case DataType::kFp32:
      return Copy<float>(tensor, first, count, out, stride, cast);
    case DataType::kFp64:
      return Copy<double>(tensor, first, count, out, stride, cast);
    case DataType::kBytes:
      return;  // refused before
  }
}

// A column through the codes of its categories; what is none of them is missing.
template <class T>
void ConvertCodes(const Tensor& tensor, const CategoryCodes& codes, size_t first, size_t count,
                  T* out, size_t stride) {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  if (tensor.datatype == DataType::kBytes) {
    for (size_t i = 0; i < count; ++i) {
      const auto found = codes.of_text.find(tensor.strings[first + i]);
      out[i * stride] = found == codes.of_text.end() ? kNan : static_cast<T>(found->second);
    }
    return;
  }
  Convert(tensor, first, count, out, stride);
  for (size_t i = 0; i < count; ++i) {
    const auto found = codes.of_number.find(static_cast<double>(out[i * stride]));
    out[i * stride] = found == codes.of_number.end() ? kNan : static_cast<T>(found->second);
  }
}

template <class T>
constexpr DataType kTypeOf = sizeof(T) == 4 ? DataType::kFp32 : DataType::kFp64;

// Of a model's features in a message: a short request must not have all of a model as its answer.
constexpr size_t kShownNames = 100;

bool IsInteger(DataType type) {
  return type != DataType::kFp16 && type != DataType::kFp32 && type != DataType::kFp64;
}

size_t Elements(const Tensor& tensor) {
  return tensor.datatype == DataType::kBytes
             ? tensor.strings.size()
             : tensor.data.size() / inference::DataTypeSize(tensor.datatype);
}

}  // namespace

size_t RowsTogether(size_t features, size_t outputs) {
  constexpr size_t kMostRows = 64, kMostValues = size_t{1} << 20;
  return std::clamp<size_t>(kMostValues / std::max<size_t>({features, outputs, 1}), 1, kMostRows);
}

Features::Features(size_t count, std::vector<std::string> names)
    : count_(count), names_(std::move(names)) {
  for (size_t i = 0; i < names_.size(); ++i) index_.emplace(names_[i], i);
}

int64_t Features::Find(std::string_view name) const {
  auto found = index_.find(name);
  if (found == index_.end() && spaces_are_underscores && name.find(' ') != name.npos) {
    std::string underscored(name);
    std::replace(underscored.begin(), underscored.end(), ' ', '_');
    found = index_.find(underscored);
  }
  return found == index_.end() ? -1 : static_cast<int64_t>(found->second);
}

template <class T>
Result<Input<T>> Input<T>::Open(const server::PredictRequest& request, const Features& features) {
  Input input(features);
  if (request.inputs.empty()) return Fail(Code::kInvalidArgument, "the request has no inputs");
  if (request.columns) {
    KINGLET_RETURN_IF_ERROR(input.OrderColumns(request.inputs));
    return input;
  }
  const Tensor& matrix = request.inputs[0];
  if (matrix.shape.size() != 2) {
    return Fail(Code::kInvalidArgument, "Expecting 2 dimensional input, got: {}",
                fmt::format("({})", fmt::join(matrix.shape, ", ")));
  }
  if (static_cast<size_t>(matrix.shape[1]) != features.count()) {
    return input.ShapeMismatch(static_cast<size_t>(matrix.shape[1]));
  }
  if (matrix.datatype == DataType::kBytes) {
    return Fail(Code::kInvalidArgument, "input '{}' is text (BYTES) where numbers are needed",
                matrix.name);
  }
  input.rows_ = static_cast<size_t>(matrix.shape[0]);
  if (Elements(matrix) != input.rows_ * features.count()) {
    return Fail(Code::kInvalidArgument, "input '{}' has {} elements for shape ({})", matrix.name,
                Elements(matrix), fmt::join(matrix.shape, ", "));
  }
  input.matrix_ = &matrix;
  return input;
}

template <class T>
Unexpected Input<T>::ShapeMismatch(size_t got) const {
  return Unexpected(
      Error(Code::kInvalidArgument,
            fmt::format(fmt::runtime(features_->shape_mismatch),
                        fmt::arg("expected", features_->count()), fmt::arg("got", got))));
}

template <class T>
Status Input<T>::OrderColumns(const std::vector<Tensor>& columns) {
  const Features& features = *features_;
  bool named = !features.names().empty();
  if (named && features.lenient_columns) {
    named = std::ranges::any_of(
        columns, [&](const Tensor& column) { return features.Find(column.name) >= 0; });
  }
  if (!named && columns.size() != features.count()) {
    return ShapeMismatch(columns.size());
  }
  // Not before: a file without names may claim any number of features.
  std::vector<const Tensor*>& order = ThreadScratch<T>().columns;
  order.assign(features.count(), nullptr);
  rows_ = columns[0].rows();
  for (size_t i = 0; i < columns.size(); ++i) {
    const Tensor& column = columns[i];
    int64_t feature = static_cast<int64_t>(i);
    if (named) {
      feature = features.Find(column.name);
      if (feature < 0) {
        if (features.lenient_columns) continue;
        const size_t shown = std::min<size_t>(features.names().size(), kShownNames);
        return Fail(Code::kInvalidArgument,
                    "feature_names mismatch: column '{}' is none of the model's features: {}{}",
                    column.name, fmt::join(std::span(features.names()).first(shown), ", "),
                    shown < features.names().size() ? ", ..." : "");
      }
    }
    if (column.rows() != rows_ || Elements(column) != rows_) {
      return Fail(Code::kInvalidArgument,
                  "column '{}' has shape ({}) where {} rows of one value "
                  "were expected",
                  column.name, fmt::join(column.shape, ", "), rows_);
    }
    const bool coded = !features.codes.empty() && features.codes[feature] != nullptr;
    if (column.datatype == DataType::kBytes && !coded) {
      return Fail(Code::kInvalidArgument, "column '{}' is text where numbers are needed",
                  column.name);
    }
    order[feature] = &column;
  }
  const auto missing = std::find(order.begin(), order.end(), nullptr);
  if (missing != order.end() && !features.lenient_columns) {
    return Fail(Code::kInvalidArgument,
                "feature_names mismatch: expected column '{}' in input data",
                features.names()[missing - order.begin()]);
  }
  return {};
}

template <class T>
Result<const T*> Input<T>::Read(size_t first, size_t count) {
  const size_t width = features_->count();
  if (matrix_ && matrix_->datatype == kTypeOf<T>) {
    return matrix_->template As<T>().data() + first * width;
  }
  Scratch<T>& scratch = ThreadScratch<T>();
  if (scratch.rows.size() < count * width) scratch.rows.resize(count * width);
  T* out = scratch.rows.data();
  if (matrix_) {
    Convert(*matrix_, first * width, count * width, out, 1);
    if (features_->integers_as_float32 && IsInteger(matrix_->datatype)) {
      for (size_t i = 0; i < count * width; ++i) out[i] = static_cast<float>(out[i]);
    }
    return out;
  }
  for (size_t feature = 0; feature < width; ++feature) {
    if (scratch.columns[feature] == nullptr) {
      for (size_t i = 0; i < count; ++i) {
        out[i * width + feature] = std::numeric_limits<T>::quiet_NaN();
      }
      continue;
    }
    const Tensor& column = *scratch.columns[feature];
    const CategoryCodes* codes = features_->codes.empty() ? nullptr : features_->codes[feature];
    if (codes) {
      ConvertCodes(column, *codes, first, count, out + feature, width);
    } else {
      Convert(column, first, count, out + feature, width);
    }
  }
  return out;
}

template class Input<float>;
template class Input<double>;

}  // namespace kinglet::runtimes::trees
