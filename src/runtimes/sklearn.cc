// The format "sklearn": scikit-learn models saved by pickle or joblib.
#include <string_view>

#include "runtimes/plugin.h"
#include "runtimes/sklearn/model.h"

namespace kinglet::runtimes {
namespace {

// Compressed files are taken too: of the formats with these extensions only this one compresses.
bool LooksLikePickle(std::string_view head) {
  // Protocol 2 and up begin with PROTO.
  if (head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return true;
  if (head.starts_with("\x1f\x8b") || head.starts_with("BZh") || head.starts_with("\xfd\x37zXZ") ||
      head.starts_with("\x04\x22\x4d\x18") || head.starts_with("\x78")) {
    return true;
  }
  return head.starts_with("ccopy_reg\n_reconstructor") || head.starts_with("csklearn.");
}

}  // namespace

Plugin Plugin_sklearn() {
  return {.format = "sklearn",
          .extensions = {".joblib", ".pkl", ".pickle"},
          .matches = LooksLikePickle,
          .load = sklearn::LoadModel};
}

}  // namespace kinglet::runtimes
