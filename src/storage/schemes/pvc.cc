// pvc://claim/path: the path on a claim's volume. A pod has one claim mounted, at /mnt/pvc; the
// claim's name matters to who mounts it.
#include <filesystem>

#include "base/uri.h"
#include "storage/plugin.h"
#include "storage/scheme.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kPrefix = "pvc://";
constexpr std::string_view kMount = "/mnt/pvc";

std::string PathOf(std::string_view uri) {
  const size_t slash = uri.find('/', kPrefix.size());
  return fmt::format("{}{}", kMount, slash == std::string_view::npos ? "" : uri.substr(slash));
}

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  std::string_view rest = uri.substr(kPrefix.size());
  size_t slash = rest.find('/');
  if (slash == 0 || rest.empty()) {
    return Fail(Code::kInvalidArgument, "no claim name in {}", RedactUri(uri));
  }
  const std::string path = PathOf(uri);
  const std::string plain = std::filesystem::path(path).lexically_normal();
  if (plain != kMount && !plain.starts_with(fmt::format("{}/", kMount))) {
    return Fail(Code::kInvalidArgument, "{} leads out of its claim", RedactUri(uri));
  }
  KINGLET_TRY(Plugin local, FindPlugin(path));
  return local.open(path, environment);
}

}  // namespace

Plugin Plugin_pvc() {
  return {.order = 20, .prefixes = {kPrefix}, .form = "", .local_path = PathOf, .open = Open};
}

}  // namespace kinglet::storage
