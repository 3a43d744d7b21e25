#include "api/storage_uri.h"

#include <re2/re2.h>

namespace kinglet::api {
namespace {

constexpr std::string_view kPrefixes[] = {"gs://",   "s3://",   "pvc://",     "file://", "https://",
                                          "http://", "hdfs://", "webhdfs://", "oci://",  "hf://"};

}  // namespace

std::string_view SchemeOf(std::string_view uri) {
  size_t end = uri.find("://");
  return end == std::string_view::npos ? std::string_view() : uri.substr(0, end);
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
