#include "runtimes/sklearn/estimator.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kinglet::runtimes::sklearn {

Workspace& Workspace::Mine() {
  thread_local Workspace workspace;
  return workspace;
}

template <>
std::vector<std::vector<double>>& Workspace::Free<double>() {
  return doubles_;
}
template <>
std::vector<std::vector<float>>& Workspace::Free<float>() {
  return floats_;
}
template <>
std::vector<std::vector<const std::string*>>& Workspace::Free<const std::string*>() {
  return texts_;
}

template <class T>
Buffer<T>::Buffer(size_t size) {
  auto& free = Workspace::Mine().Free<T>();
  if (!free.empty()) {
    data_ = std::move(free.back());
    free.pop_back();
  }
  data_.resize(size);
}

template <class T>
Buffer<T>& Buffer<T>::operator=(Buffer&& other) noexcept {
  Return();
  data_ = std::move(other.data_);
  other.data_.clear();
  other.data_.shrink_to_fit();
  return *this;
}

template <class T>
void Buffer<T>::Return() {
  // A huge batch's buffer is not kept: one request must not pin its memory to the thread.
  constexpr size_t kKeep = size_t{1} << 20;
  auto& free = Workspace::Mine().Free<T>();
  if (data_.capacity() > 0 && data_.capacity() <= kKeep && free.size() < 16) {
    free.push_back(std::move(data_));
  }
  data_ = std::vector<T>();
}

template class Buffer<double>;
template class Buffer<float>;
template class Buffer<const std::string*>;

void Rows::Reset(size_t new_rows, size_t new_columns, bool with_text) {
  rows = new_rows;
  columns = new_columns;
  has_text = with_text;
  values = Buffer<double>(rows * columns);
  if (with_text) {
    text = Buffer<const std::string*>(rows * columns);
    std::fill_n(text.data(), rows * columns, nullptr);
  }
}

size_t Labels::size() const {
  return type == inference::DataType::kBytes ? strings.size() : numbers.size();
}

Status Estimator::Predict(const Table&, double*) const {
  return Fail(Code::kInternal, "{} has no predict", traits_.name);
}

Status Estimator::PredictProba(const Table&, double*) const {
  return Fail(Code::kInternal, "{} has no predict_proba", traits_.name);
}

Status Estimator::Transform(const Table&, Rows*) const {
  return Fail(Code::kInternal, "{} has no transform", traits_.name);
}

size_t Estimator::proba_columns() const {
  size_t columns = 0;
  for (const Labels& labels : traits_.classes) columns += labels.size();
  return columns;
}

size_t Estimator::peak_columns() const {
  return std::max(
      {traits_.features, traits_.outputs, traits_.transformed_columns, proba_columns()});
}

Status Estimator::Check(const Table& x, Accept accept) const {
  if (x.columns != traits_.features) {
    return Fail(Code::kInvalidArgument,
                "X has {} features, but {} is expecting {} features as input.", x.columns,
                traits_.name, traits_.features);
  }
  if (x.HasText()) {
    for (size_t c = 0; c < x.columns; ++c) {
      if (x.IsText(c)) {
        return Fail(Code::kInvalidArgument, "could not convert string to float: '{}'",
                    x.TextAt(0, c)->substr(0, 100));
      }
    }
  }
  if (accept == Accept::kAny) return {};
  const bool float32 = accept == Accept::kFiniteFloat32 || accept == Accept::kNanFloat32;
  const bool nan_allowed = accept == Accept::kNan || accept == Accept::kNanFloat32;
  // The largest double that rounds to a finite float32.
  const double limit = float32 ? 0x1.fffffefffffffp127 : std::numeric_limits<double>::max();
  const double* value = x.values;
  for (const double* end = value + x.rows * x.columns; value != end; ++value) {
    if (std::abs(*value) <= limit) [[likely]]
      continue;
    if (!std::isnan(*value)) {
      return Fail(Code::kInvalidArgument,
                  "Input X contains infinity or a value too large for dtype('{}').",
                  float32 ? "float32" : "float64");
    }
    if (!nan_allowed) return Fail(Code::kInvalidArgument, "Input X contains NaN.");
  }
  return {};
}

size_t ArgMax(const double* values, size_t count) {
  size_t best = 0;
  for (size_t i = 1; i < count; ++i) {
    if (values[i] > values[best] || (std::isnan(values[i]) && !std::isnan(values[best]))) best = i;
  }
  return best;
}

double Expit(double value) { return 1.0 / (1.0 + std::exp(-value)); }

void Softmax(double* values, size_t count) {
  const double top = *std::max_element(values, values + count);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[i] = std::exp(values[i] - top);
  for (size_t i = 0; i < count; ++i) values[i] /= sum;
}

}  // namespace kinglet::runtimes::sklearn
