// metav1.Status: how every refusal looks to a client, in the words clients know.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::local {

// One entry of status.details.causes.
struct FieldError {
  // "FieldValueInvalid", "FieldValueRequired", "FieldValueNotSupported", "FieldValueDuplicate",
  // "FieldValueForbidden", "FieldValueNotFound", "FieldValueTooLong", "FieldValueTooMany",
  // "FieldValueTypeInvalid".
  std::string reason;
  std::string message;  // without the field
  std::string field;

  std::string Text() const { return field.empty() ? message : field + ": " + message; }
};

FieldError InvalidValue(std::string field, const Json& value, std::string_view detail);
FieldError RequiredValue(std::string field, std::string_view detail = "");
FieldError ForbiddenValue(std::string field, std::string_view detail);
FieldError DuplicateValue(std::string field, const Json& value);
FieldError UnsupportedValue(std::string field, const Json& value,
                            const std::vector<std::string>& supported);
FieldError NotFoundValue(std::string field, const Json& value);
FieldError TooLongValue(std::string field, int64_t limit);
FieldError TooManyValue(std::string field, int64_t actual, int64_t limit);

struct ApiError {
  int code = 500;
  Json status;  // the metav1.Status object
};

template <class T>
using ApiResult = std::expected<T, ApiError>;
using ApiStatus = ApiResult<void>;
using ApiUnexpected = std::unexpected<ApiError>;

// `resource` is the group resource: "pods", "inferenceservices.serving.kserve.io".
struct ErrorTarget {
  std::string resource;  // plural
  std::string group;
  std::string kind;
  std::string GroupResource() const { return group.empty() ? resource : resource + "." + group; }
};

ApiError MakeApiError(int code, std::string_view reason, std::string_view message,
                      Json details = Json());
ApiError BadRequest(std::string_view message);
ApiError Unauthorized();
ApiError NotFound(const ErrorTarget& target, std::string_view name);
ApiError PathNotFound();
ApiError AlreadyExists(const ErrorTarget& target, std::string_view name);
ApiError Conflict(const ErrorTarget& target, std::string_view name, std::string_view why);
ApiError ModifiedConflict(const ErrorTarget& target, std::string_view name);
ApiError Invalid(const ErrorTarget& target, std::string_view name,
                 const std::vector<FieldError>& errors);
ApiError Forbidden(const ErrorTarget& target, std::string_view name, std::string_view why);
ApiError MethodNotAllowed(std::string_view message);
ApiError UnsupportedMediaType(std::string_view message);
ApiError Expired(std::string_view message);
ApiError TooLargeResourceVersion(int64_t asked, int64_t current);
ApiError Internal(std::string_view message);
// Store and other library errors.
ApiError FromError(const Error& error, const ErrorTarget& target, std::string_view name);

}  // namespace kinglet::local

// As KINGLET_TRY for ApiResult.
#define KINGLET_API_TRY(declaration, expression) \
  KINGLET_API_TRY_INNER(KINGLET_CONCAT(result_, __LINE__), declaration, expression)
#define KINGLET_API_TRY_INNER(result, declaration, expression)         \
  auto result = (expression);                                          \
  if (!result) [[unlikely]]                                            \
    return ::kinglet::local::ApiUnexpected(std::move(result).error()); \
  declaration = std::move(*result)
#define KINGLET_API_CHECK(expression)                     \
  if (auto status_ = (expression); !status_) [[unlikely]] \
  return ::kinglet::local::ApiUnexpected(std::move(status_).error())
