#include "base/uri.h"

#include <charconv>

#include "base/text.h"

namespace kinglet {

Result<Uri> Uri::Parse(std::string_view text) {
  auto bad = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, "not a URI ({}): \"{}\"", why, RedactUri(text));
  };
  for (unsigned char c : text) {
    if (c < 0x20 || c == 0x7f) return bad("control character");
  }
  size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return bad("no scheme");
  Uri uri;
  uri.scheme = AsciiLower(text.substr(0, colon));
  for (char c : uri.scheme) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')) {
      return bad("scheme");
    }
  }
  std::string_view rest = text.substr(colon + 3);
  if (size_t at = rest.find('#'); at != std::string_view::npos) {
    uri.fragment = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  if (size_t at = rest.find('?'); at != std::string_view::npos) {
    uri.query = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  std::string_view authority = rest;
  if (size_t at = rest.find('/'); at != std::string_view::npos) {
    uri.path = rest.substr(at);
    authority = rest.substr(0, at);
  }
  if (size_t at = authority.rfind('@'); at != std::string_view::npos) {
    uri.userinfo = authority.substr(0, at);
    authority = authority.substr(at + 1);
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    size_t close = authority.find(']');
    if (close == std::string_view::npos) return bad("IPv6 address");
    uri.host = AsciiLower(authority.substr(1, close - 1));
    std::string_view after = authority.substr(close + 1);
    if (after.starts_with(':'))
      port = after.substr(1);
    else if (!after.empty())
      return bad("after the IPv6 address");
  } else {
    size_t at = authority.rfind(':');
    uri.host = AsciiLower(authority.substr(0, at));
    if (at != std::string_view::npos) port = authority.substr(at + 1);
  }
  if (!port.empty()) {
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), uri.port);
    if (error != std::errc() || end != port.data() + port.size() || uri.port < 1 ||
        uri.port > 65535) {
      return bad("port");
    }
  }
  return uri;
}

std::string Uri::Authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port) out += ":" + std::to_string(port);
  return out;
}

std::string Uri::Target() const {
  std::string out = path.empty() ? "/" : path;
  if (!query.empty()) out += "?" + query;
  return out;
}

std::string Uri::ToString() const {
  std::string out = scheme + "://";
  if (!userinfo.empty()) out += userinfo + "@";
  out += Authority() + path;
  if (!query.empty()) out += "?" + query;
  if (!fragment.empty()) out += "#" + fragment;
  return out;
}

std::string Uri::Origin() const {
  Uri origin{.scheme = scheme, .host = host, .port = port};
  if ((scheme == "https" && port == 443) || (scheme == "http" && port == 80)) origin.port = 0;
  return fmt::format("{}://{}", scheme, origin.Authority());
}

std::string RedactUri(std::string_view text) {
  constexpr std::string_view kHidden = "***";
  const size_t scheme_end = text.find("://");
  const size_t begin = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  const size_t end = std::min(text.find_first_of("/?#", begin), text.size());
  std::string out(text.substr(0, begin));
  std::string_view authority = text.substr(begin, end - begin);
  const size_t at = authority.rfind('@');
  // The digest of an image without a registry stands at the same place.
  if (at != std::string_view::npos && !authority.substr(at).starts_with("@sha256:")) {
    out += kHidden;
    authority.remove_prefix(at);
  }
  out += authority;
  std::string_view rest = text.substr(end);
  const size_t path_end = std::min(rest.find_first_of("?#"), rest.size());
  out += rest.substr(0, path_end);
  rest.remove_prefix(path_end);
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find_first_of("&?#", 1));
    rest.remove_prefix(part.size());
    const size_t equals = part.find('=');
    // A part without a name is a value.
    out += equals == std::string_view::npos ? part.substr(0, 1) : part.substr(0, equals + 1);
    if (part.size() > 1 && equals + 1 != part.size()) out += kHidden;
  }
  return out;
}

}  // namespace kinglet
