// numpy's arrays, dtypes and scalars as they lie in a pickle, checked: the byte count is what
// shape and dtype say. Formats: numpy/core/src/multiarray/{methods,descriptor}.c (__reduce__,
// __setstate__) and joblib/numpy_pickle.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "runtimes/pickle/graph.h"

namespace kinglet::runtimes::pickle {

struct Field;

struct DType {
  // numpy's kind letters: b i u f c (numbers), S U (text), O (objects), V (fields or void).
  char kind = 'V';
  size_t size = 0;       // bytes an element
  bool swapped = false;  // big-endian
  std::vector<Field> fields;
};

// Of a structure. Structures inside structures are not supported: no model has them, and each level
// of nesting would multiply the number of fields.
struct Field {
  std::string name;
  size_t offset;
  DType type;
};

// A view: valid while the Graph lives.
struct Array {
  DType dtype;
  std::vector<int64_t> shape;  // empty: a scalar
  size_t count = 0;            // product of shape
  bool fortran = false;        // column-major
  std::string_view bytes;      // count * dtype.size; empty for object arrays
  std::vector<Value> objects;  // object arrays: count elements in C order
};

// A graph can refer to one dtype, list or array a million times, so that every function here pays
// out of the budget for each time it reads one.

Result<DType> ReadDType(Value value, Budget& budget);

// Number of elements of a shape, and of its bytes; refuses negative and absurd ones.
Result<size_t> CheckedCount(const std::vector<int64_t>& shape, size_t item_size);

// The dimensions from a tuple (or list) of ints.
Result<std::vector<int64_t>> ReadShape(Value value);

// From an ndarray object, joblib's raw array, or a numpy scalar (shape empty).
Result<Array> ReadArray(Value value, Budget& budget);

// A C-ordered copy, converted to T (double, float, int64_t). Text, objects (other than numbers) and
// structures are errors.
template <class T>
Result<std::vector<T>> CopyNumbers(const Array& array, Budget& budget);

// A C-ordered copy of strings: U, S and object arrays of str.
Result<std::vector<std::string>> CopyStrings(const Array& array, Budget& budget);

// One field of a one-dimensional structured array, converted to T (double, int64_t) as it is read.
// A view, as Array.
template <class T>
class FieldView {
 public:
  // Pays for reading every element once.
  static Result<FieldView> Of(const Array& array, std::string_view field, Budget& budget);

  T operator[](size_t i) const {
    const char* at = first_ + i * stride_;
    if (!stored_) [[unlikely]]
      return Convert(at);
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
  }

 private:
  T Convert(const char* at) const;

  const char* first_ = nullptr;
  size_t stride_ = 0;
  bool stored_ = false;  // as T
  const DType* type_ = nullptr;
};

extern template class FieldView<double>;
extern template class FieldView<int64_t>;

// A number from a Python int, float or bool, a numpy scalar or an array of one element.
Result<double> ReadNumber(Value value, Budget& budget);

}  // namespace kinglet::runtimes::pickle
