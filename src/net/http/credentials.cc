#include "net/http/credentials.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/encoding.h"
#include "base/text.h"
#include "base/uri.h"

namespace kinglet::http {
namespace {

constexpr std::string_view kHarmless[] = {"accept",        "accept-encoding", "accept-language",
                                          "range",         "if-range",        "if-match",
                                          "if-none-match", "user-agent"};
// Never a credential, but meant for one server.
constexpr std::string_view kPublic[] = {"host",         "content-type",         "date",
                                        "x-amz-date",   "x-amz-content-sha256", "x-ms-date",
                                        "x-ms-version", "git-protocol"};
constexpr std::string_view kSecretNames[] = {"sig",        "token", "secret", "passw",
                                             "credential", "key",   "auth",   "delegation"};
constexpr size_t kShortest = 6;  // shorter values would be found in any text

bool IsOneOf(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view n) { return EqualsIgnoreCase(name, n); });
}

std::vector<std::string> CredentialsOf(const ClientRequest& request) {
  std::vector<std::string> found;
  auto add = [&](std::string_view value) {
    if (value.size() >= kShortest) found.emplace_back(value);
  };
  for (const auto& [name, value] : request.headers.fields()) {
    if (IsOneOf(name, kHarmless) || IsOneOf(name, kPublic)) continue;
    add(value);
    const size_t space = value.find(' ');
    if (space == std::string::npos) continue;
    const std::string_view credential = std::string_view(value).substr(space + 1);
    add(credential);
    if (!EqualsIgnoreCase(std::string_view(value).substr(0, space), "basic")) continue;
    auto pair = Base64Decode(credential);
    if (pair) add(std::string_view(*pair).substr(pair->find(':') + 1));
  }
  auto url = Uri::Parse(request.url);
  if (!url) return found;
  add(url->userinfo);
  if (size_t colon = url->userinfo.find(':'); colon != std::string::npos) {
    add(std::string_view(url->userinfo).substr(colon + 1));
  }
  std::string_view query = url->query;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name = AsciiLower(part.substr(0, equals));
    const bool secret = std::ranges::any_of(
        kSecretNames, [&](std::string_view word) { return name.find(word) != std::string::npos; });
    if (!secret) continue;
    add(part.substr(equals + 1));
    if (auto decoded = UrlDecode(part.substr(equals + 1))) add(*decoded);
  }
  return found;
}

}  // namespace

Headers WithoutCredentials(const Headers& fields) {
  Headers kept;
  for (const auto& [name, value] : fields.fields()) {
    if (IsOneOf(name, kHarmless)) kept.Add(name, value);
  }
  return kept;
}

std::string HideCredentials(std::string text, const ClientRequest& request) {
  for (const std::string& credential : CredentialsOf(request)) {
    for (size_t at = text.find(credential); at != std::string::npos;
         at = text.find(credential, at + 3)) {
      text.replace(at, credential.size(), "***");
    }
  }
  return text;
}

}  // namespace kinglet::http
