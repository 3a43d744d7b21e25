#include "local/apiserver/status.h"

#include <fmt/format.h>

namespace kinglet::local {
namespace {

// How field errors print a value: strings quoted, the rest as JSON.
std::string ValueText(const Json& value) { return value.Dump(); }

}  // namespace

FieldError InvalidValue(std::string field, const Json& value, std::string_view detail) {
  return {"FieldValueInvalid", fmt::format("Invalid value: {}: {}", ValueText(value), detail),
          std::move(field)};
}

FieldError RequiredValue(std::string field, std::string_view detail) {
  std::string message = "Required value";
  if (!detail.empty()) message += fmt::format(": {}", detail);
  return {"FieldValueRequired", message, std::move(field)};
}

FieldError ForbiddenValue(std::string field, std::string_view detail) {
  return {"FieldValueForbidden", fmt::format("Forbidden: {}", detail), std::move(field)};
}

FieldError DuplicateValue(std::string field, const Json& value) {
  return {"FieldValueDuplicate", fmt::format("Duplicate value: {}", ValueText(value)),
          std::move(field)};
}

FieldError UnsupportedValue(std::string field, const Json& value,
                            const std::vector<std::string>& supported) {
  std::string list;
  for (const std::string& item : supported) {
    if (!list.empty()) list += ", ";
    list += Json(item).Dump();
  }
  return {"FieldValueNotSupported",
          fmt::format("Unsupported value: {}: supported values: {}", ValueText(value), list),
          std::move(field)};
}

FieldError NotFoundValue(std::string field, const Json& value) {
  return {"FieldValueNotFound", fmt::format("Not found: {}", ValueText(value)), std::move(field)};
}

FieldError TooLongValue(std::string field, int64_t limit) {
  return {"FieldValueTooLong", fmt::format("Too long: may not be more than {} bytes", limit),
          std::move(field)};
}

FieldError TooManyValue(std::string field, int64_t actual, int64_t limit) {
  return {"FieldValueTooMany",
          fmt::format("Too many: {}: must have at most {} items", actual, limit), std::move(field)};
}

ApiError MakeApiError(int code, std::string_view reason, std::string_view message, Json details) {
  Json status = Json::MakeObject({{"kind", "Status"},
                                  {"apiVersion", "v1"},
                                  {"metadata", Json::MakeObject()},
                                  {"status", "Failure"},
                                  {"message", message},
                                  {"code", code}});
  if (!reason.empty()) status.Set("reason", reason);
  if (details.size() > 0) status.Set("details", std::move(details));
  return {code, std::move(status)};
}

namespace {

Json Details(const ErrorTarget& target, std::string_view name) {
  Json details = Json::MakeObject();
  if (!name.empty()) details.Set("name", name);
  if (!target.group.empty()) details.Set("group", target.group);
  if (!target.resource.empty()) details.Set("kind", target.resource);
  return details;
}

}  // namespace

ApiError BadRequest(std::string_view message) { return MakeApiError(400, "BadRequest", message); }

ApiError Unauthorized() { return MakeApiError(401, "Unauthorized", "Unauthorized"); }

ApiError NotFound(const ErrorTarget& target, std::string_view name) {
  return MakeApiError(404, "NotFound",
                      fmt::format("{} \"{}\" not found", target.GroupResource(), name),
                      Details(target, name));
}

ApiError PathNotFound() {
  return MakeApiError(404, "NotFound", "the server could not find the requested resource",
                      Json::MakeObject());
}

ApiError AlreadyExists(const ErrorTarget& target, std::string_view name) {
  return MakeApiError(409, "AlreadyExists",
                      fmt::format("{} \"{}\" already exists", target.GroupResource(), name),
                      Details(target, name));
}

ApiError Conflict(const ErrorTarget& target, std::string_view name, std::string_view why) {
  return MakeApiError(409, "Conflict",
                      fmt::format("Operation cannot be fulfilled on {} \"{}\": {}",
                                  target.GroupResource(), name, why),
                      Details(target, name));
}

ApiError ModifiedConflict(const ErrorTarget& target, std::string_view name) {
  return Conflict(target, name,
                  "the object has been modified; please apply your changes to the latest version "
                  "and try again");
}

ApiError Invalid(const ErrorTarget& target, std::string_view name,
                 const std::vector<FieldError>& errors) {
  std::string kind = target.group.empty() ? target.kind : target.kind + "." + target.group;
  std::string text;
  Json causes = Json::MakeArray();
  for (const FieldError& error : errors) {
    if (!text.empty()) text += ", ";
    text += error.Text();
    causes.Push(Json::MakeObject(
        {{"reason", error.reason}, {"message", error.message}, {"field", error.field}}));
  }
  if (errors.size() != 1) text = "[" + text + "]";
  Json details = Json::MakeObject({{"kind", target.kind}, {"causes", std::move(causes)}});
  if (!name.empty()) details.Set("name", name);
  if (!target.group.empty()) details.Set("group", target.group);
  return MakeApiError(422, "Invalid", fmt::format("{} \"{}\" is invalid: {}", kind, name, text),
                      std::move(details));
}

ApiError Forbidden(const ErrorTarget& target, std::string_view name, std::string_view why) {
  return MakeApiError(403, "Forbidden",
                      fmt::format("{} \"{}\" is forbidden: {}", target.GroupResource(), name, why),
                      Details(target, name));
}

ApiError MethodNotAllowed(std::string_view message) {
  return MakeApiError(405, "MethodNotAllowed", message);
}

ApiError UnsupportedMediaType(std::string_view message) {
  return MakeApiError(415, "UnsupportedMediaType", message);
}

ApiError Expired(std::string_view message) { return MakeApiError(410, "Expired", message); }

ApiError TooLargeResourceVersion(int64_t asked, int64_t current) {
  Json cause = Json::MakeObject(
      {{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}});
  return MakeApiError(
      504, "Timeout",
      fmt::format("Timeout: Too large resource version: {}, current: {}", asked, current),
      Json::MakeObject({{"causes", Json::MakeArray({cause})}, {"retryAfterSeconds", 1}}));
}

ApiError Internal(std::string_view message) {
  return MakeApiError(500, "InternalError", fmt::format("Internal error occurred: {}", message));
}

ApiError FromError(const Error& error, const ErrorTarget& target, std::string_view name) {
  switch (error.code()) {
    case Code::kNotFound:
      return NotFound(target, name);
    case Code::kAlreadyExists:
      return AlreadyExists(target, name);
    case Code::kAborted:
      return ModifiedConflict(target, name);
    case Code::kInvalidArgument:
      return BadRequest(error.message());
    case Code::kOutOfRange:
      return MakeApiError(413, "RequestEntityTooLarge", error.message());
    default:
      break;
  }
  return MakeApiError(HttpStatus(error.code()), KubernetesReason(error.code()), error.message());
}

}  // namespace kinglet::local
