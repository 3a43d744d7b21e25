// HTTP/1.1 messages (RFC 9110, RFC 9112) as values.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace kinglet::http {

// Header fields in order of arrival; names compare without case.
class Headers {
 public:
  void Add(std::string_view name, std::string_view value);
  void Set(std::string_view name, std::string_view value);  // replaces all of that name
  void Remove(std::string_view name);
  // The first value, or "".
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  // Whether a comma-separated list field has the token, without case ("connection", "close").
  bool HasToken(std::string_view name, std::string_view token) const;
  void Clear() { fields_.clear(); }
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

bool EqualsIgnoreCase(std::string_view a, std::string_view b);
// Whether a comma-separated list ("keep-alive, Upgrade") has the token, without case.
bool ListHasToken(std::string_view list, std::string_view token);

// "OK", "Not Found"; "" for unknown statuses.
std::string_view ReasonPhrase(int status);

struct Request {
  std::string method = "GET";
  std::string target = "/";  // path and query, as sent
  Headers headers;
  std::string body;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// The decoded value of `key` in a query string ("a=1&b=%20"; "+" is a space), or nothing.
bool QueryHas(std::string_view query, std::string_view key);
std::string QueryGet(std::string_view query, std::string_view key);
std::vector<std::pair<std::string, std::string>> ParseQuery(std::string_view query);

}  // namespace kinglet::http
