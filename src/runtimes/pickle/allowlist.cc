#include "runtimes/pickle/allowlist.h"

#include <algorithm>
#include <array>
#include <string>

namespace kinglet::runtimes::pickle {
namespace {

constexpr size_t kMaxName = 200;

struct Known {
  std::string_view module;
  std::string_view name;
};

// numpy moved numpy.core to numpy._core in 2.0; both spellings are normalised before the look-up.
constexpr std::array kKnown = std::to_array<Known>({
    {"_codecs", "encode"},
    {"functools", "partial"},
    {"collections", "OrderedDict"},
    {"collections", "defaultdict"},
    {"copyreg", "_reconstructor"},
    {"copyreg", "__newobj__"},
    {"copyreg", "__newobj_ex__"},
    {"builtins", "bool"},
    {"builtins", "bytearray"},
    {"builtins", "bytes"},
    {"builtins", "complex"},
    {"builtins", "dict"},
    {"builtins", "float"},
    {"builtins", "frozenset"},
    {"builtins", "int"},
    {"builtins", "list"},
    {"builtins", "object"},
    {"builtins", "range"},
    {"builtins", "set"},
    {"builtins", "slice"},
    {"builtins", "str"},
    {"builtins", "tuple"},
    {"builtins", "type"},
    {"numpy", "ndarray"},
    {"numpy", "dtype"},
    {"numpy", "bool_"},
    {"numpy", "bool"},
    {"numpy", "float16"},
    {"numpy", "float32"},
    {"numpy", "float64"},
    {"numpy", "int8"},
    {"numpy", "int16"},
    {"numpy", "int32"},
    {"numpy", "int64"},
    {"numpy", "uint8"},
    {"numpy", "uint16"},
    {"numpy", "uint32"},
    {"numpy", "uint64"},
    {"numpy", "object_"},
    {"numpy", "str_"},
    {"numpy", "bytes_"},
    {"numpy", "matrix"},
    {"numpy", "memmap"},
    {"numpy.core.multiarray", "_reconstruct"},
    {"numpy.core.multiarray", "scalar"},
    {"numpy.core.numeric", "_frombuffer"},
    {"numpy.core", "_ufunc_reconstruct"},
    {"numpy.core.memmap", "memmap"},
    {"numpy.ma.core", "MaskedArray"},
    {"numpy.ma.core", "_mareconstruct"},
    {"numpy.matrixlib.defmatrix", "matrix"},
    {"numpy.random", "RandomState"},
    {"numpy.random", "Generator"},
    {"numpy.random._pickle", "__bit_generator_ctor"},
    {"numpy.random._pickle", "__generator_ctor"},
    {"numpy.random._pickle", "__randomstate_ctor"},
    {"numpy.random", "__RandomState_ctor"},
    {"numpy.random._mt19937", "MT19937"},
    {"numpy.random._pcg64", "PCG64"},
    {"numpy.random._philox", "Philox"},
    {"numpy.random._sfc64", "SFC64"},
    {"numpy.random.bit_generator", "SeedSequence"},
    {"numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"},
    {"joblib.numpy_pickle", "NumpyArrayWrapper"},
    {"sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"},
    {"scipy.interpolate._interpolate", "interp1d"},
    {"scipy.interpolate.interpolate", "interp1d"},
    {"scipy.interpolate._bsplines", "BSpline"},
});

bool IsPlainName(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Escapes what a terminal or a log should not be given as it is.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxName)) out += c >= ' ' && c < 0x7f ? c : '?';
  if (text.size() > kMaxName) out += "...";
  return out;
}

// "_loss" is how scikit-learn 1.4 to 1.7 spell sklearn._loss._loss.
bool IsModelModule(std::string_view module) {
  return module.starts_with("sklearn.") || module.starts_with("scipy.sparse.") || module == "_loss";
}

}  // namespace

Status CheckGlobal(std::string_view module, std::string_view name) {
  if (module.size() <= kMaxName && name.size() <= kMaxName && IsPlainName(name)) {
    if (module == "joblib.numpy_pickle_compat" || name == "NDArrayWrapper" ||
        name == "ZNDArrayWrapper") {
      return Fail(
          Code::kUnimplemented,
          "the file was written by joblib before 0.10, which keeps arrays in separate files; "
          "load it with that joblib and save it again with joblib 0.10 or newer");
    }
    std::string known_module(module);
    if (known_module.starts_with("numpy._core")) known_module.replace(0, 11, "numpy.core");
    if (known_module == "__builtin__") known_module = "builtins";
    if (known_module == "copy_reg") known_module = "copyreg";
    for (const Known& known : kKnown) {
      if (known.module == known_module && known.name == name) return {};
    }
    // Of the model libraries any class may be named (the loaders decide what they support), but no
    // dotted path and no dunder, which could reach what a module has merely imported.
    if (IsModelModule(module) && (!name.starts_with("__") || name.starts_with("__pyx_unpickle_"))) {
      return {};
    }
  }
  return Fail(
      Code::kInvalidArgument,
      "refused: the pickle refers to {}.{}, which is not a known model class; Kinglet never "
      "executes pickled code",
      Printable(module), Printable(name));
}

}  // namespace kinglet::runtimes::pickle
