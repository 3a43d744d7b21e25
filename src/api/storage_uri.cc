#include "api/storage_uri.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include <re2/re2.h>

#include "api/constants.h"
#include "base/text.h"

namespace kinglet::api {
namespace {

constexpr std::string_view kPrefixes[] = {"gs://",   "s3://",   "pvc://",     "file://", "https://",
                                          "http://", "hdfs://", "webhdfs://", "oci://",  "hf://"};

}  // namespace

std::string MountPathOf(const StorageUri& place) {
  return place.mount_path.empty() ? std::string(kModelMountPath) : place.mount_path;
}

std::string CommonParent(std::span<const std::string> paths) {
  if (paths.empty()) return "";
  if (paths.size() == 1) return paths[0];
  auto parts_of = [](const std::string& path) {
    std::vector<std::string> parts;
    std::istringstream text(path);
    for (std::string part; std::getline(text, part, '/');) {
      if (!part.empty()) parts.push_back(part);
    }
    return parts;
  };
  std::vector<std::string> common = parts_of(paths[0]);
  for (const std::string& path : paths.subspan(1)) {
    const auto parts = parts_of(path);
    common.erase(std::ranges::mismatch(common, parts).in1, common.end());
  }
  if (common.empty()) return "/";
  std::string parent;
  for (const auto& part : common) parent += "/" + part;
  return parent;
}

std::string_view SchemeOf(std::string_view uri) {
  size_t end = uri.find("://");
  return end == std::string_view::npos ? std::string_view() : uri.substr(0, end);
}

bool NamesLocalFiles(std::string_view uri) {
  const std::string scheme = AsciiLower(SchemeOf(uri));
  // "--flag=x://" is not a URI either: programs that download would take it for one of their flags.
  if (scheme.starts_with('-')) return true;
  return scheme.empty() || scheme == "file" || scheme == "pvc";
}

Status CheckStorageUri(std::string_view uri, std::span<const ClusterStorageContainer> containers) {
  for (const auto& container : containers) {
    if (container.disabled || !container.spec.IsInitContainer()) continue;
    auto supports = container.spec.Supports(uri);
    if (!supports) {
      return Unexpected(supports.error().WithContext("error checking storage container " +
                                                     container.metadata["name"].AsString()));
    }
    if (*supports) return {};
  }
  static const RE2 kAnyScheme(R"(\w+?://)");
  if (!RE2::PartialMatch(uri, kAnyScheme)) return {};
  if (uri.find("blob.core.windows.net") != std::string_view::npos) {
    static const RE2 kAzure(R"(https://(.+?).blob.core.windows.net/(.+))");
    if (RE2::PartialMatch(uri, kAzure)) return {};
  }
  for (std::string_view prefix : kPrefixes) {
    if (uri.starts_with(prefix)) return {};
  }
  return Fail(
      Code::kInvalidArgument,
      "storageUri, must be one of: [{}] or match https://{{}}.blob.core.windows.net/{{}}/{{}} "
      "or be an absolute or relative local path. StorageUri [{}] is not supported",
      fmt::join(kPrefixes, ", "), uri);
}

}  // namespace kinglet::api
