// RFC 3986 URIs, split and not decoded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet {

struct Uri {
  std::string scheme;  // lower case
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
  // scheme://host:port with the scheme's usual port left out: what a credential is given for.
  std::string Origin() const;
};

// The text of a URI for logs, errors and files that others may read: "***" stands for the user
// information and for the values of the query and the fragment (passwords, signatures, tokens).
// Takes any text, also what is not a URI.
std::string RedactUri(std::string_view text);

}  // namespace kinglet
