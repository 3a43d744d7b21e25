// The texts of Kubernetes' name checks (k8s.io/apimachinery/pkg/util/validation), which clients and
// people search for.
#include <fmt/format.h>

#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

bool Lower(char c) { return c >= 'a' && c <= 'z'; }
bool Digit(char c) { return c >= '0' && c <= '9'; }
bool Alnum(char c) { return Lower(c) || Digit(c) || (c >= 'A' && c <= 'Z'); }

bool IsLabel(std::string_view name) {
  if (name.empty()) return false;
  for (char c : name) {
    if (!Lower(c) && !Digit(c) && c != '-') return false;
  }
  return name.front() != '-' && name.back() != '-';
}

bool IsSubdomain(std::string_view name) {
  while (true) {
    size_t dot = name.find('.');
    if (!IsLabel(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]
bool IsNamePart(std::string_view text) {
  if (text.empty() || !Alnum(text.front()) || !Alnum(text.back())) return false;
  for (char c : text) {
    if (!Alnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

std::string TooLong(size_t limit) {
  return fmt::format("must be no more than {} characters", limit);
}

}  // namespace

std::string CheckSubdomain(std::string_view name) {
  if (name.size() > 253) return TooLong(253);
  if (IsSubdomain(name)) return "";
  return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
         "or "
         "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex "
         "used for validation is "
         "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

std::string CheckLabel(std::string_view name) {
  if (name.size() > 63) return TooLong(63);
  if (IsLabel(name)) return "";
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
         "and "
         "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
         "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

std::string CheckLabel1035(std::string_view name) {
  if (name.size() > 63) return TooLong(63);
  if (IsLabel(name) && Lower(name.front())) return "";
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
         "an "
         "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
         "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

std::string CheckPathSegment(std::string_view name) {
  if (name == "." || name == "..") return fmt::format("may not be '{}'", name);
  if (name.find('/') != std::string_view::npos) return "may not contain '/'";
  if (name.find('%') != std::string_view::npos) return "may not contain '%'";
  return "";
}

std::string CheckQualifiedName(std::string_view key) {
  size_t slash = key.find('/');
  std::string_view name = key;
  if (slash != std::string_view::npos) {
    std::string_view prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (prefix.empty()) return "prefix part must be non-empty";
    if (std::string why = CheckSubdomain(prefix); !why.empty()) return "prefix part " + why;
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part " + TooLong(63);
  if (IsNamePart(name)) return "";
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and "
         "end "
         "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
         "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
}

std::string CheckLabelValue(std::string_view value) {
  if (value.size() > 63) return TooLong(63);
  if (value.empty() || IsNamePart(value)) return "";
  return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
         "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
         "'my_value',  or '12345', regex used for validation is "
         "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

}  // namespace kinglet::local
