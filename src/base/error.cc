#include "base/error.h"

#include <array>

namespace kinglet {
namespace {

struct Row {
  std::string_view name;
  int http;
  std::string_view reason;
};

constexpr std::array<Row, 17> kRows = {{
    {"OK", 200, ""},
    {"CANCELLED", 499, "ServerTimeout"},
    {"UNKNOWN", 500, "InternalError"},
    {"INVALID_ARGUMENT", 400, "BadRequest"},
    {"DEADLINE_EXCEEDED", 504, "Timeout"},
    {"NOT_FOUND", 404, "NotFound"},
    {"ALREADY_EXISTS", 409, "AlreadyExists"},
    {"PERMISSION_DENIED", 403, "Forbidden"},
    {"RESOURCE_EXHAUSTED", 429, "TooManyRequests"},
    {"FAILED_PRECONDITION", 422, "Invalid"},
    {"ABORTED", 409, "Conflict"},
    {"OUT_OF_RANGE", 410, "Expired"},
    {"UNIMPLEMENTED", 501, "MethodNotAllowed"},
    {"INTERNAL", 500, "InternalError"},
    {"UNAVAILABLE", 503, "ServiceUnavailable"},
    {"DATA_LOSS", 500, "InternalError"},
    {"UNAUTHENTICATED", 401, "Unauthorized"},
}};

const Row& RowOf(Code code) { return kRows[static_cast<size_t>(code)]; }

}  // namespace

std::string_view CodeName(Code code) { return RowOf(code).name; }
int HttpStatus(Code code) { return RowOf(code).http; }
std::string_view KubernetesReason(Code code) { return RowOf(code).reason; }

Code CodeFromHttpStatus(int status) {
  switch (status) {
    case 400: return Code::kInvalidArgument;
    case 401: return Code::kUnauthenticated;
    case 403: return Code::kPermissionDenied;
    case 404: return Code::kNotFound;
    case 408: return Code::kDeadlineExceeded;
    case 409: return Code::kAborted;
    case 410: return Code::kOutOfRange;
    case 412: return Code::kFailedPrecondition;
    case 416: return Code::kOutOfRange;
    case 422: return Code::kFailedPrecondition;
    case 429: return Code::kResourceExhausted;
    case 499: return Code::kCancelled;
    case 501: return Code::kUnimplemented;
    case 502: return Code::kUnavailable;
    case 503: return Code::kUnavailable;
    case 504: return Code::kDeadlineExceeded;
    default: break;
  }
  if (status >= 200 && status < 300) return Code::kOk;
  if (status >= 400 && status < 500) return Code::kFailedPrecondition;
  return status >= 500 ? Code::kInternal : Code::kUnknown;
}

Error Error::WithContext(std::string_view context) const {
  std::string text(context);
  text += ": ";
  text += message_;
  return Error(code_, std::move(text));
}

std::string Error::ToString() const {
  std::string text(CodeName(code_));
  text += ": ";
  text += message_;
  return text;
}

}  // namespace kinglet
