#include "control/inferenceservice/knative_url.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kAfterScheme = "://";

}  // namespace

std::string_view HostOfUrl(std::string_view url) {
  if (size_t at = url.find(kAfterScheme); at != std::string_view::npos) {
    url.remove_prefix(at + kAfterScheme.size());
  }
  return url.substr(0, url.find_first_of("/?#"));
}

std::string WithScheme(std::string_view url, std::string_view scheme) {
  size_t at = url.find(kAfterScheme);
  if (at == std::string_view::npos) return std::string(url);
  return fmt::format("{}{}", scheme, url.substr(at));
}

std::string WithoutComponent(std::string text, ComponentKind front) {
  const bool legacy = text.find("-default") != std::string::npos;
  const std::string part = fmt::format("-{}{}", ComponentName(front), legacy ? "-default" : "");
  if (size_t at = text.find(part); at != std::string::npos) text.erase(at, part.size());
  return text;
}

}  // namespace kinglet::control
