// Which proxy leads to a server: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as Go's clients
// and curl read them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/uri.h"

namespace kinglet::http {

// "" where it is not set.
using EnvironmentVariable = std::function<std::string(const char* name)>;
EnvironmentVariable ProcessEnvironment();

// The proxy for `url`, or none. Lower-case names come first; HTTP_PROXY is not read in capitals
// where REQUEST_METHOD is set (CGI hands a request's Proxy header over under that name). Servers on
// this machine are asked directly. kInvalidArgument: the value is no URL of an HTTP proxy.
Result<std::optional<Uri>> ProxyFromEnvironment(const Uri& url,
                                                const EnvironmentVariable& environment);

// "proxy:3128", "http://user:password@proxy:3128". Other kinds of proxies are refused.
Result<Uri> ParseProxy(std::string_view text);

// Whether a NO_PROXY list has the host: "*", names with all below them (a leading dot: only those
// below), addresses, networks in CIDR notation; each with ":port" where only that port is meant.
bool IsInNoProxy(std::string_view list, std::string_view host, int port);

}  // namespace kinglet::http
