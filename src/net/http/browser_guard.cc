#include "net/http/browser_guard.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "net/http/message.h"

namespace kinglet::http {
namespace {

// "Name:8080" -> "Name", "[::1]:80" -> "::1", "name." -> "name".
std::string_view NameOf(std::string_view authority) {
  if (authority.starts_with('[')) {
    size_t end = authority.find(']');
    return end == authority.npos ? authority : authority.substr(1, end - 1);
  }
  authority = authority.substr(0, authority.find(':'));
  if (authority.ends_with('.')) authority.remove_suffix(1);
  return authority;
}

// An address that means one machine. Connections to 0.0.0.0, :: and IPv4 in the clothes of IPv6
// reach loopback listeners without being loopback addresses to a browser.
bool IsAddress(std::string_view name) {
  std::string text(name);
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) != 0;
  in6_addr v6;
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&v6) &&
         !IN6_IS_ADDR_V4MAPPED(&v6);
}

bool IsLoopbackAddress(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  if (address.sa_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

bool IsLocalhost(std::string_view name) {
  return EqualsIgnoreCase(name, "localhost") ||
         (name.size() > 10 && EqualsIgnoreCase(name.substr(name.size() - 10), ".localhost"));
}

// "http://a:80" -> "a:80"; "" for "null" and what is no origin of a page.
std::string_view AuthorityOf(std::string_view origin) {
  size_t scheme = origin.find("://");
  return scheme == origin.npos ? std::string_view() : origin.substr(scheme + 3);
}

// Whether `origin` is that of pages at `host`. Browsers leave the default port of the scheme out.
bool IsOriginOf(std::string_view origin, std::string_view host, bool secure) {
  std::string_view authority = AuthorityOf(origin);
  const bool https = origin.starts_with("https:");
  if (!https && !origin.starts_with("http:")) return false;  // "app://localhost"
  const std::string_view name = NameOf(host);
  if (https != secure && (IsAddress(name) || IsLocalhost(name))) return false;
  const std::string_view port = https ? ":443" : ":80";
  for (std::string_view* each : {&authority, &host}) {
    if (each->ends_with(port)) each->remove_suffix(port.size());
  }
  return !authority.empty() && EqualsIgnoreCase(authority, host);
}

template <class Check>
Result<std::vector<std::string>> ParseList(std::string_view list, Check&& check) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    size_t end = std::min(list.find(','), list.size());
    std::string part = AsciiLower(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (part != "*") KINGLET_RETURN_IF_ERROR(check(part));
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

bool IsLoopbackHost(std::string_view host) {
  if (IsLocalhost(host)) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return false;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(host).c_str(), nullptr, &hints, &found) != 0) return false;
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  for (const addrinfo* each = found; each; each = each->ai_next) {
    if (IsLoopbackAddress(*each->ai_addr)) return true;
  }
  return false;
}

Result<std::vector<std::string>> BrowserGuard::ParseHosts(std::string_view list) {
  return ParseList(list, [](const std::string& part) -> Status {
    if (part.empty() || part == "." || part.find_first_of(":/*@ ") != part.npos) {
      return Fail(Code::kInvalidArgument,
                  "\"{}\" is not a host name: give names without a port, e.g. "
                  "models.example.com,.example.com",
                  part);
    }
    return {};
  });
}

Result<std::vector<std::string>> BrowserGuard::ParseOrigins(std::string_view list) {
  return ParseList(list, [](const std::string& part) -> Status {
    std::string_view authority = AuthorityOf(part);
    if (authority.empty() || authority.find_first_of("/*@ ") != authority.npos) {
      return Fail(Code::kInvalidArgument,
                  "\"{}\" is not an origin: give scheme, host and port, e.g. "
                  "https://app.example.com,http://localhost:3000",
                  part);
    }
    return {};
  });
}

bool BrowserGuard::KnowsHost(std::string_view host) const {
  std::string_view name = NameOf(host);
  if (IsAddress(name) || IsLocalhost(name)) return true;
  const std::string lower = AsciiLower(name);
  for (const std::string& known : options_.hosts) {
    if (known == "*" || known == lower) return true;
    if (known.starts_with('.') && lower.ends_with(known)) return true;
  }
  return options_.knows_host && options_.knows_host(lower);
}

BrowserGuard::Verdict BrowserGuard::Check(const Request& request) const {
  // HTTP/1.0 has no Host; no browser speaks it.
  const bool known = request.host.empty() || KnowsHost(request.host);
  if (options_.check_host && !known) return Verdict::kRefuseHost;
  if (!request.origin.empty()) {
    for (const std::string& origin : options_.origins) {
      if (origin == "*" || EqualsIgnoreCase(origin, request.origin)) return Verdict::kPassOrigin;
    }
    const bool own = known && IsOriginOf(request.origin, request.host, request.secure);
    return own ? Verdict::kPass : Verdict::kRefuseOrigin;
  }
  const bool own = request.fetch_site.empty() || EqualsIgnoreCase(request.fetch_site, "none") ||
                   EqualsIgnoreCase(request.fetch_site, "same-origin");
  return own ? Verdict::kPass : Verdict::kRefuseOrigin;
}

std::string BrowserGuard::Reason(Verdict verdict, const Request& request) {
  if (verdict == Verdict::kRefuseHost) {
    return fmt::format(
        "the Host \"{}\" is not a name of this server: use an address of the machine or localhost, "
        "or add the name to --allowed-hosts",
        EscapeControls(request.host.substr(0, 200)));
  }
  if (request.origin.empty()) {
    return "a page of another site may not send requests to this server: open the address directly";
  }
  return fmt::format(
      "a page of \"{}\" may not send requests to this server: add the origin to --allowed-origins "
      "if "
      "it should",
      EscapeControls(request.origin.substr(0, 200)));
}

}  // namespace kinglet::http
