#include "net/http/proxy.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace kinglet::http {
namespace {

// An IPv4 or IPv6 address as bytes.
struct Address {
  unsigned char bytes[16] = {};
  int bits = 0;  // 32, 128; 0: none

  explicit Address(std::string_view text) {
    const std::string name(text);
    if (inet_pton(AF_INET, name.c_str(), bytes) == 1) {
      bits = 32;
    } else if (inet_pton(AF_INET6, name.c_str(), bytes) == 1) {
      bits = 128;
    }
  }
  bool StartsWith(const Address& network, int prefix) const {
    if (bits == 0 || bits != network.bits || prefix < 0 || prefix > bits) return false;
    const auto whole = static_cast<size_t>(prefix / 8);
    if (memcmp(bytes, network.bytes, whole) != 0) return false;
    const int rest = prefix % 8;
    return rest == 0 || ((bytes[whole] ^ network.bytes[whole]) >> (8 - rest)) == 0;
  }
};

std::optional<int> Number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool IsThisMachine(std::string_view host) {
  static const Address loopback("127.0.0.0"), loopback6("::1");
  const Address address(host);
  return host == "localhost" || address.StartsWith(loopback, 8) ||
         address.StartsWith(loopback6, 128);
}

bool Matches(std::string_view entry, std::string_view host, int port) {
  if (entry == "*") return true;
  const Address address(host);
  if (size_t slash = entry.find('/'); slash != std::string_view::npos) {
    auto prefix = Number(entry.substr(slash + 1));
    return prefix && address.StartsWith(Address(entry.substr(0, slash)), *prefix);
  }
  if (entry.starts_with('[')) {
    const size_t close = entry.find(']');
    if (close == std::string_view::npos) return false;
    if (close + 1 < entry.size() && Number(entry.substr(close + 2)) != port) return false;
    entry = entry.substr(1, close - 1);
  } else if (size_t colon = entry.rfind(':');
             colon != std::string_view::npos && entry.find(':') == colon) {
    if (Number(entry.substr(colon + 1)) != port) return false;
    entry = entry.substr(0, colon);
  }
  if (const Address one(entry); one.bits) return address.StartsWith(one, one.bits);
  if (entry.starts_with("*.")) entry.remove_prefix(1);
  if (entry.starts_with('.')) return host.ends_with(entry);
  return host == entry || (host.size() > entry.size() && host.ends_with(entry) &&
                           host[host.size() - entry.size() - 1] == '.');
}

}  // namespace

EnvironmentVariable ProcessEnvironment() {
  return [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
}

bool IsInNoProxy(std::string_view list, std::string_view host, int port) {
  const std::string text = AsciiLower(list);
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(", \t"), rest.size());
    const std::string_view entry = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!entry.empty() && Matches(entry, host, port)) return true;
  }
  return false;
}

Result<Uri> ParseProxy(std::string_view text) {
  const bool has_scheme = text.find("://") != std::string_view::npos;
  KINGLET_TRY(Uri proxy,
              Uri::Parse(has_scheme ? std::string(text) : "http://" + std::string(text)));
  if (proxy.scheme != "http" || proxy.host.empty()) {
    return Fail(Code::kInvalidArgument,
                "the proxy \"{}://{}\" cannot be used: want http://host:port", proxy.scheme,
                proxy.Authority());
  }
  return proxy;
}

Result<std::optional<Uri>> ProxyFromEnvironment(const Uri& url,
                                                const EnvironmentVariable& environment) {
  auto either = [&](const char* lower, const char* upper) {
    std::string value = environment(lower);
    return value.empty() && upper ? environment(upper) : value;
  };
  const bool secure = url.scheme == "https";
  const bool in_cgi = !environment("REQUEST_METHOD").empty();
  std::string text = secure ? either("https_proxy", "HTTPS_PROXY")
                            : either("http_proxy", in_cgi ? nullptr : "HTTP_PROXY");
  if (text.empty()) text = either("all_proxy", "ALL_PROXY");
  if (text.empty() || IsThisMachine(url.host) ||
      IsInNoProxy(either("no_proxy", "NO_PROXY"), url.host, url.PortOr(secure ? 443 : 80))) {
    return std::nullopt;
  }
  KINGLET_TRY(Uri proxy, ParseProxy(text));
  return std::optional(std::move(proxy));
}

}  // namespace kinglet::http
