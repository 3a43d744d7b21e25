#include "runtimes/pickle/ndarray.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace kinglet::runtimes::pickle {
namespace {

constexpr size_t kMaxDimensions = 32;
constexpr size_t kMaxFields = 64;
constexpr size_t kMaxItemSize = size_t{1} << 24;
constexpr size_t kCopyOverhead = 64;  // of a vector
constexpr uint64_t kTypeSteps = 32;   // of a dtype without fields

template <class... Args>
Unexpected Bad(fmt::format_string<Args...> format, Args&&... args) {
  return Fail(Code::kInvalidArgument, format, std::forward<Args>(args)...);
}

// "f8", "<f8", "|b1", "U12", "V64".
Status ParseTypeCode(std::string_view code, DType* type) {
  if (!code.empty() && std::string_view("<>|=").contains(code[0])) {
    type->swapped = code[0] == '>';
    code.remove_prefix(1);
  }
  if (code.empty()) return Bad("a numpy dtype has no name");
  size_t size = 0;
  const auto parsed = std::from_chars(code.data() + 1, code.data() + code.size(), size);
  if (code.size() > 1 && (parsed.ec != std::errc() || parsed.ptr != code.data() + code.size())) {
    return Fail(Code::kUnimplemented, "numpy dtype {} is not supported", code.substr(0, 40));
  }
  type->kind = code[0];
  bool known = false;
  switch (code[0]) {
    case 'b':
      known = size == 1;
      break;
    case 'i':
    case 'u':
      known = size == 1 || size == 2 || size == 4 || size == 8;
      break;
    case 'f':
      known = size == 2 || size == 4 || size == 8;
      break;
    case 'c':
      known = size == 8 || size == 16;
      break;
    case 'S':
      known = size <= kMaxItemSize;
      break;
    case 'V':
      known = size <= kMaxItemSize;
      break;
    case 'U':
      known = size <= kMaxItemSize / 4;
      size *= 4;
      break;
    case 'O':
      known = true;
      size = 8;
      break;
    default:
      break;
  }
  if (!known) {
    return Fail(Code::kUnimplemented, "numpy dtype {} is not supported", code.substr(0, 40));
  }
  type->size = size;
  return {};
}

Result<DType> ReadPlainDType(Value value, Budget& budget) {
  KINGLET_RETURN_IF_ERROR(budget.Spend(kTypeSteps));
  DType type;
  if (value.kind() == Kind::kStr) {
    KINGLET_RETURN_IF_ERROR(ParseTypeCode(value.text(), &type));
    return type;
  }
  if (value.kind() != Kind::kObject || value.name() != "dtype") return Bad("a numpy dtype is none");
  KINGLET_RETURN_IF_ERROR(ParseTypeCode(value.args()[0].text(), &type));
  const Value state = value.state();
  if (state.kind() != Kind::kTuple) return type;
  // (version, byte order, subarray, names, fields, item size, alignment, flags[, metadata]);
  // version 1 has no names.
  if (state.size() < 5) return Bad("a numpy dtype's state is too short");
  if (state[1].text() == ">") type.swapped = true;
  if (!state[2].none())
    return Fail(Code::kUnimplemented, "numpy subarray dtypes are not supported");
  const bool sized = type.kind == 'S' || type.kind == 'U' || type.kind == 'V';
  if (sized && state.size() >= 7 && state[5].kind() == Kind::kInt && state[5].integer() >= 0) {
    const int64_t size = state[5].integer();
    if (static_cast<uint64_t>(size) > kMaxItemSize) return Bad("a numpy dtype is too large");
    type.size = static_cast<size_t>(size);
    if (type.kind == 'U' && type.size % 4 != 0) return Bad("a numpy dtype's size is wrong");
  }
  return type;
}

// The names of a structure's fields, from its dtype's state; missing if it is not a structure.
Value FieldNames(Value dtype) {
  const Value names = dtype.state()[3];
  return names.kind() == Kind::kTuple && dtype.state()[4].kind() == Kind::kDict ? names : Value();
}

Status ReadFields(Value value, Value names, Budget& budget, DType* type) {
  const Value fields = value.state()[4];
  if (type->kind != 'V') return Bad("a numpy dtype has fields but is no structure");
  // A field may also be listed under a title.
  if (names.size() > kMaxFields || fields.size() > 2 * kMaxFields) {
    return Bad("a numpy structure has more than {} fields", kMaxFields);
  }
  KINGLET_RETURN_IF_ERROR(budget.Spend(names.size() * fields.size()));
  KINGLET_RETURN_IF_ERROR(budget.Allocate(names.size() * sizeof(Field)));
  for (size_t i = 0; i < names.size(); ++i) {
    const Value field = fields.Get(names[i].text());
    const int64_t offset = field[1].integer();
    KINGLET_TRY(DType inner, ReadPlainDType(field[0], budget));
    if (!FieldNames(field[0]).missing()) {
      return Fail(Code::kUnimplemented, "numpy structures inside structures are not supported");
    }
    if (inner.kind == 'O') {
      return Fail(Code::kUnimplemented, "numpy structures with objects are not supported");
    }
    if (offset < 0 || static_cast<uint64_t>(offset) > type->size ||
        inner.size > type->size - static_cast<size_t>(offset)) {
      return Bad("a field of a numpy structure lies outside it");
    }
    KINGLET_RETURN_IF_ERROR(budget.Allocate(names[i].text().size()));
    type->fields.push_back(
        {std::string(names[i].text()), static_cast<size_t>(offset), std::move(inner)});
  }
  return {};
}

// Fills in dtype, shape and bytes or objects of an array and checks that they agree.
Result<Array> MakeArray(Value dtype, Value shape, bool fortran, Value data, Budget& budget) {
  Array array;
  KINGLET_TRY(array.dtype, ReadDType(dtype, budget));
  KINGLET_TRY(array.shape, ReadShape(shape));
  KINGLET_TRY(array.count, CheckedCount(array.shape, array.dtype.size));
  array.fortran = fortran;
  if (array.dtype.kind == 'O') {
    if (data.kind() != Kind::kList || data.size() != array.count) {
      return Bad("an object array of {} elements has {}", array.count, data.size());
    }
    array.fortran = false;  // numpy writes the list in C order whatever the flag says
    KINGLET_RETURN_IF_ERROR(budget.Allocate(array.count, sizeof(Value)));
    array.objects.reserve(array.count);
    for (size_t i = 0; i < data.size(); ++i) array.objects.push_back(data[i]);
    return array;
  }
  if (data.kind() != Kind::kBytes && data.kind() != Kind::kStr) {
    return Bad("a numpy array's data is missing");
  }
  array.bytes = data.text();
  if (array.bytes.size() != array.count * array.dtype.size) {
    return Bad("a numpy array should have {} bytes (shape and dtype) but has {}",
               array.count * array.dtype.size, array.bytes.size());
  }
  return array;
}

template <class S>
S LoadAs(const char* at, bool swapped) {
  S value;
  if (!swapped) {
    std::memcpy(&value, at, sizeof(S));
    return value;
  }
  char reversed[sizeof(S)];
  for (size_t i = 0; i < sizeof(S); ++i) reversed[i] = at[sizeof(S) - 1 - i];
  std::memcpy(&value, reversed, sizeof(S));
  return value;
}

// Values outside T's range become T's nearest (a plain cast would be undefined behaviour).
template <class T, class S>
T Convert(S value) {
  if constexpr (std::is_integral_v<T> && std::is_floating_point_v<S>) {
    if (!(value >= -9.2e18)) return std::numeric_limits<T>::min();
    if (value > 9.2e18) return std::numeric_limits<T>::max();
  }
  return static_cast<T>(value);
}

double HalfValue(uint16_t half) {
  const int exponent = half >> 10 & 0x1F;
  const int mantissa = half & 0x3FF;
  double value = 0;
  if (exponent == 31) {
    value = mantissa == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  } else {
    value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

template <class T>
T LoadNumber(const char* at, const DType& type) {
  const bool swapped = type.swapped;
  switch (type.kind) {
    case 'b':
      return *at != 0 ? T{1} : T{0};
    case 'i':
      switch (type.size) {
        case 1:
          return Convert<T>(LoadAs<int8_t>(at, swapped));
        case 2:
          return Convert<T>(LoadAs<int16_t>(at, swapped));
        case 4:
          return Convert<T>(LoadAs<int32_t>(at, swapped));
        default:
          return Convert<T>(LoadAs<int64_t>(at, swapped));
      }
    case 'u':
      switch (type.size) {
        case 1:
          return Convert<T>(LoadAs<uint8_t>(at, swapped));
        case 2:
          return Convert<T>(LoadAs<uint16_t>(at, swapped));
        case 4:
          return Convert<T>(LoadAs<uint32_t>(at, swapped));
        default:
          return Convert<T>(LoadAs<uint64_t>(at, swapped));
      }
    default:
      switch (type.size) {
        case 2:
          return Convert<T>(HalfValue(LoadAs<uint16_t>(at, swapped)));
        case 4:
          return Convert<T>(LoadAs<float>(at, swapped));
        default:
          return Convert<T>(LoadAs<double>(at, swapped));
      }
  }
}

// Whether elements of this type lie in the file as they lie in memory.
template <class T>
bool IsStoredAs(const DType& type) {
  return type.kind == (std::is_integral_v<T> ? 'i' : 'f') && type.size == sizeof(T) &&
         !type.swapped;
}

bool IsNumeric(char kind) { return kind == 'b' || kind == 'i' || kind == 'u' || kind == 'f'; }

// Visits the stored position of each element in C order.
template <class F>
Status ForEachInCOrder(const Array& array, F visit) {
  const size_t dimensions = array.shape.size();
  if (!array.fortran || dimensions < 2) {
    for (size_t i = 0; i < array.count; ++i) KINGLET_RETURN_IF_ERROR(visit(i));
    return {};
  }
  if (array.count == 0) return {};
  std::vector<size_t> index(dimensions, 0), stride(dimensions, 1);
  for (size_t d = 1; d < dimensions; ++d) {
    stride[d] = stride[d - 1] * static_cast<size_t>(array.shape[d - 1]);
  }
  for (size_t i = 0; i < array.count; ++i) {
    size_t position = 0;
    for (size_t d = 0; d < dimensions; ++d) position += index[d] * stride[d];
    KINGLET_RETURN_IF_ERROR(visit(position));
    for (size_t d = dimensions; d-- > 0;) {
      if (++index[d] < static_cast<size_t>(array.shape[d])) break;
      index[d] = 0;
    }
  }
  return {};
}

void AppendCodePoint(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[extra] | code >> (6 * extra));
  for (int i = extra - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 0x3F));
}

// numpy pads text with zeros and takes trailing ones away.
Result<std::string> TextElement(const char* at, const DType& type) {
  std::string out;
  if (type.kind == 'S') {
    out.assign(at, type.size);
    while (!out.empty() && out.back() == '\0') out.pop_back();
    return out;
  }
  size_t length = type.size / 4;
  while (length > 0 && LoadAs<uint32_t>(at + 4 * (length - 1), type.swapped) == 0) --length;
  for (size_t i = 0; i < length; ++i) {
    const auto code = LoadAs<uint32_t>(at + 4 * i, type.swapped);
    if (code > 0x10FFFF) return Bad("a numpy string has a character over U+10FFFF");
    AppendCodePoint(out, code);
  }
  return out;
}

// For a copy of an array of which an element takes `size` bytes. Column-major arrays are read
// across the memory, an index a dimension.
Status PayForCopy(const Array& array, size_t size, Budget& budget) {
  KINGLET_RETURN_IF_ERROR(budget.Allocate(kCopyOverhead));
  KINGLET_RETURN_IF_ERROR(budget.Allocate(array.count, size));
  return budget.Spend(array.count, array.fortran ? array.shape.size() : 1);
}

}  // namespace

Result<DType> ReadDType(Value value, Budget& budget) {
  KINGLET_TRY(DType type, ReadPlainDType(value, budget));
  const Value names = FieldNames(value);
  if (!names.missing()) KINGLET_RETURN_IF_ERROR(ReadFields(value, names, budget, &type));
  return type;
}

Result<size_t> CheckedCount(const std::vector<int64_t>& shape, size_t item_size) {
  size_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return Bad("a numpy array has a negative dimension ({})", dimension);
    if (__builtin_mul_overflow(count, static_cast<size_t>(dimension), &count)) {
      return Bad("a numpy array's shape overflows");
    }
  }
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, std::max<size_t>(item_size, 1), &bytes) ||
      bytes > std::numeric_limits<size_t>::max() / 2) {
    return Bad("a numpy array's shape overflows");
  }
  return count;
}

Result<std::vector<int64_t>> ReadShape(Value value) {
  std::vector<int64_t> shape;
  if (value.kind() == Kind::kInt) return std::vector<int64_t>{value.integer()};
  if (value.kind() != Kind::kTuple && value.kind() != Kind::kList) {
    return Bad("a numpy array has no shape");
  }
  if (value.size() > kMaxDimensions) {
    return Bad("a numpy array has more than {} dimensions", kMaxDimensions);
  }
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i].kind() != Kind::kInt) return Bad("a numpy array's dimension is no integer");
    shape.push_back(value[i].integer());
  }
  return shape;
}

Result<Array> ReadArray(Value value, Budget& budget) {
  if (value.kind() == Kind::kArray) {
    const ArrayRecord& record = value.graph()->array(value);
    if (!Value(value.graph(), record.objects).none()) {
      const Value inner(value.graph(), record.objects);
      if (inner.kind() == Kind::kObject) return ReadArray(inner, budget);
      return Bad("an object array is no array");
    }
    Array array;
    KINGLET_TRY(array.dtype, ReadDType(Value(value.graph(), record.dtype), budget));
    KINGLET_TRY(array.shape, ReadShape(Value(value.graph(), record.shape)));
    KINGLET_TRY(array.count, CheckedCount(array.shape, array.dtype.size));
    array.fortran = record.fortran;
    array.bytes = record.bytes;
    if (array.bytes.size() != array.count * array.dtype.size || array.dtype.kind == 'O') {
      return Bad("a numpy array's size changed while it was read");
    }
    return array;
  }
  if (value.kind() != Kind::kObject) return Bad("it is no numpy array");
  const std::string_view name = value.name();
  if (name == "_frombuffer") {
    const Value args = value.args();
    return MakeArray(args[1], args[2], args[3].text() == "F", args[0], budget);
  }
  if (name == "scalar") {
    const Value args = value.args();
    Array array;
    KINGLET_TRY(array.dtype, ReadDType(args[0], budget));
    array.count = 1;
    if (array.dtype.kind == 'O') return Bad("a numpy scalar holds an object");
    array.bytes = args[1].text();
    if (array.bytes.size() != array.dtype.size) return Bad("a numpy scalar's size is wrong");
    return array;
  }
  if (name != "_reconstruct" && name != "ndarray") return Bad("it is no numpy array");
  // (version, shape, dtype, is Fortran, data); very old ones have no version.
  const Value state = value.state();
  const size_t skip = state.size() == 5 ? 1 : 0;
  if (state.kind() != Kind::kTuple || state.size() < 4) return Bad("a numpy array has no state");
  return MakeArray(state[skip + 1], state[skip], state[skip + 2].boolean(), state[skip + 3],
                   budget);
}

template <class T>
Result<std::vector<T>> CopyNumbers(const Array& array, Budget& budget) {
  if (!IsNumeric(array.dtype.kind)) return Bad("it holds no numbers (dtype {})", array.dtype.kind);
  KINGLET_RETURN_IF_ERROR(PayForCopy(array, sizeof(T), budget));
  std::vector<T> out;
  if (IsStoredAs<T>(array.dtype) && (!array.fortran || array.shape.size() < 2)) {
    out.resize(array.count);
    if (array.count > 0) std::memcpy(out.data(), array.bytes.data(), array.count * sizeof(T));
    return out;
  }
  out.reserve(array.count);
  KINGLET_RETURN_IF_ERROR(ForEachInCOrder(array, [&](size_t position) -> Status {
    out.push_back(LoadNumber<T>(array.bytes.data() + position * array.dtype.size, array.dtype));
    return {};
  }));
  return out;
}

template Result<std::vector<double>> CopyNumbers(const Array&, Budget&);
template Result<std::vector<float>> CopyNumbers(const Array&, Budget&);
template Result<std::vector<int64_t>> CopyNumbers(const Array&, Budget&);

Result<std::vector<std::string>> CopyStrings(const Array& array, Budget& budget) {
  const char kind = array.dtype.kind;
  if (kind == 'O') {
    std::vector<std::string> out;
    for (const Value object : array.objects) {
      if (object.kind() != Kind::kStr) return Bad("it holds objects that are no strings");
      KINGLET_RETURN_IF_ERROR(budget.Allocate(sizeof(std::string) + object.text().size()));
      out.emplace_back(object.text());
    }
    return out;
  }
  if (kind != 'U' && kind != 'S') return Bad("it holds no strings (dtype {})", kind);
  KINGLET_RETURN_IF_ERROR(PayForCopy(array, sizeof(std::string) + array.dtype.size, budget));
  std::vector<std::string> out;
  out.reserve(array.count);
  KINGLET_RETURN_IF_ERROR(ForEachInCOrder(array, [&](size_t position) -> Status {
    KINGLET_TRY(std::string text,
                TextElement(array.bytes.data() + position * array.dtype.size, array.dtype));
    out.push_back(std::move(text));
    return {};
  }));
  return out;
}

template <class T>
Result<FieldView<T>> FieldView<T>::Of(const Array& array, std::string_view field, Budget& budget) {
  for (const Field& candidate : array.dtype.fields) {
    if (candidate.name != field) continue;
    if (!IsNumeric(candidate.type.kind)) return Bad("field {} holds no numbers", field);
    KINGLET_RETURN_IF_ERROR(budget.Spend(array.count));
    FieldView view;
    view.first_ = array.bytes.data() + candidate.offset;
    view.stride_ = array.dtype.size;
    view.stored_ = IsStoredAs<T>(candidate.type);
    view.type_ = &candidate.type;
    return view;
  }
  return Bad("the numpy structure has no field {}", field);
}

template <class T>
T FieldView<T>::Convert(const char* at) const {
  return LoadNumber<T>(at, *type_);
}

template class FieldView<double>;
template class FieldView<int64_t>;

Result<double> ReadNumber(Value value, Budget& budget) {
  switch (value.kind()) {
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return value.number();
    case Kind::kObject:
    case Kind::kArray: {
      KINGLET_TRY(const Array array, ReadArray(value, budget));
      if (array.count != 1 || !IsNumeric(array.dtype.kind)) return Bad("it is no single number");
      return LoadNumber<double>(array.bytes.data(), array.dtype);
    }
    default:
      return Bad("it is no number");
  }
}

}  // namespace kinglet::runtimes::pickle
