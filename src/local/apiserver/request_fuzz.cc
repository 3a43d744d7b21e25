// Whole requests from strangers: method, target, headers, body.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "local/apiserver/apiserver.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  static const auto server = [] {
    auto opened = local::ApiServer::Open({});
    if (!opened) __builtin_trap();
    return std::move(*opened);
  }();
  static constexpr std::string_view kMethods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
  static constexpr std::string_view kTypes[] = {"application/json",
                                                "application/yaml",
                                                "application/merge-patch+json",
                                                "application/json-patch+json",
                                                "application/strategic-merge-patch+json",
                                                "application/apply-patch+yaml"};
  if (size < 3) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  size_t cut = text.find('\n');
  http::Request request;
  request.method = kMethods[data[0] % std::size(kMethods)];
  request.target = "/" + std::string(text.substr(0, cut));
  request.headers.Set("Content-Type", kTypes[data[1] % std::size(kTypes)]);
  if (data[1] & 0x80) request.headers.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
  if (cut != std::string_view::npos) request.body = text.substr(cut + 1);
  http::Response response = server->Do(request);
  if (response.status < 200 || response.status > 599) __builtin_trap();
  return 0;
}
