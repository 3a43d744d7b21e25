// What a webhook is asked and what it answers: admission.k8s.io/v1 in short.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::admission {

struct Request {
  std::string operation;  // CREATE, UPDATE or DELETE
  std::string group, version, kind, resource;
  std::string subresource;  // "" for the object itself
  std::string ns, name;
  Json object;      // null for DELETE
  Json old_object;  // null for CREATE
};

struct Response {
  bool allowed = true;
  int code = 200;
  std::string message;
  std::vector<std::string> warnings;
  std::optional<Json> object;  // the changed object; nothing where it stays as it is

  static Response Allow() { return {}; }
  static Response Deny(int code, std::string message) { return {false, code, std::move(message)}; }
  // A validator's no: 403.
  static Response Forbid(std::string message) { return Deny(403, std::move(message)); }
};

}  // namespace kinglet::admission
