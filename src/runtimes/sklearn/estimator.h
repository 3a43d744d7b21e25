// A fitted scikit-learn estimator: what it needs, what it gives, and its predict, predict_proba and
// transform. Immutable after loading; every method is thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/tensor.h"

namespace kinglet::runtimes::sklearn {

// Buffers of one thread, reused from call to call so that a warm prediction allocates nothing.
class Workspace {
 public:
  // The calling thread's.
  static Workspace& Mine();

  template <class T>
  std::vector<std::vector<T>>& Free();

 private:
  std::vector<std::vector<double>> doubles_;
  std::vector<std::vector<float>> floats_;
  std::vector<std::vector<const std::string*>> texts_;
};

// One buffer on loan from the calling thread's workspace. Contents start unspecified.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size);
  Buffer(Buffer&&) noexcept = default;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { Return(); }

  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  T& operator[](size_t i) { return data_[i]; }

 private:
  void Return();
  std::vector<T> data_;
};

extern template class Buffer<double>;
extern template class Buffer<float>;
extern template class Buffer<const std::string*>;

// Input rows, row-major. A view.
struct Table {
  size_t rows = 0;
  size_t columns = 0;
  const double* values = nullptr;
  // Where any column is text: one cell each (null in columns of numbers, whose text lies nowhere).
  const std::string* const* text = nullptr;

  const double* row(size_t r) const { return values + r * columns; }
  // `count` rows from `first` on.
  Table Slice(size_t first, size_t count) const {
    return {count, columns, row(first), text ? text + first * columns : nullptr};
  }
  bool HasText() const { return text != nullptr; }
  const std::string* TextAt(size_t r, size_t c) const {
    return text ? text[r * columns + c] : nullptr;
  }
  // True where column c holds text (all of its cells do).
  bool IsText(size_t c) const { return rows > 0 && TextAt(0, c) != nullptr; }
};

// Rows that a transformer made, with their storage.
struct Rows {
  size_t rows = 0;
  size_t columns = 0;
  Buffer<double> values;
  Buffer<const std::string*> text;
  bool has_text = false;

  void Reset(size_t new_rows, size_t new_columns, bool with_text = false);
  Table table() const { return {rows, columns, values.data(), has_text ? text.data() : nullptr}; }
};

// The classes of one output, as numpy holds them.
struct Labels {
  inference::DataType type = inference::DataType::kInt64;
  std::vector<double> numbers;       // any numeric type; int64 beyond 2^53 lies in `integers`
  std::vector<int64_t> integers;     // integer and bool types
  std::vector<std::string> strings;  // kBytes

  size_t size() const;
};

// What scikit-learn's input validation lets through.
enum class Accept {
  kFinite,         // numbers only, no NaN, no infinity
  kFiniteFloat32,  // the same after the cast to float32 (trees)
  kNan,            // NaN but no infinity
  kNanFloat32,
  kAny,  // any number
};

class Estimator {
 public:
  struct Traits {
    std::string name;                        // "LogisticRegression"
    size_t features = 0;                     // n_features_in_
    std::vector<std::string> feature_names;  // feature_names_in_; empty where it was not fitted so

    bool predicts = true;
    size_t outputs = 1;  // numbers a row that Predict gives
    bool flat = true;    // predict gives a vector rather than a matrix
    // Classifiers: one an output, and Predict gives indices into it.
    std::vector<Labels> classes;
    inference::DataType number_type = inference::DataType::kFp64;  // where there are no classes
    bool has_proba = false;
    std::string why_no_proba;

    bool transforms = false;
    size_t transformed_columns = 0;
  };

  explicit Estimator(Traits traits) : traits_(std::move(traits)) {}
  virtual ~Estimator() = default;

  const Traits& traits() const { return traits_; }

  // out: x.rows * traits().outputs.
  virtual Status Predict(const Table& x, double* out) const;
  // out: x.rows * proba_columns(); for several outputs each row has their probabilities in turn.
  virtual Status PredictProba(const Table& x, double* out) const;
  virtual Status Transform(const Table& x, Rows* out) const;

  size_t proba_columns() const;

  // The most numbers that a row becomes on its way through this estimator and those inside it.
  virtual size_t peak_columns() const;

 protected:
  // scikit-learn's check of an estimator's input, with its messages.
  Status Check(const Table& x, Accept accept) const;

  Traits traits_;
};

// argmax as numpy's: the first of equals.
size_t ArgMax(const double* values, size_t count);
// scipy.special.expit.
double Expit(double value);
// In place; scikit-learn subtracts the maximum first.
void Softmax(double* values, size_t count);

}  // namespace kinglet::runtimes::sklearn
