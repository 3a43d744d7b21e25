// RFC 3986 URIs, split and not decoded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet {

struct Uri {
  std::string scheme;    // lower case
  std::string userinfo;
  std::string host;      // lower case, IPv6 without brackets
  int port = 0;          // 0: not given
  std::string path;      // as written; "" or begins with "/"
  std::string query;     // without "?"
  std::string fragment;  // without "#"

  // Needs scheme "://".
  static Result<Uri> Parse(std::string_view text);
  // host or host:port, IPv6 in brackets.
  std::string Authority() const;
  int PortOr(int fallback) const { return port ? port : fallback; }
  std::string ToString() const;
  // Path and query, "/" where empty.
  std::string Target() const;
};

}  // namespace kinglet
