// metav1.Status to Error and back.
#include <algorithm>
#include <array>

#include "kube/client.h"

namespace kinglet::kube {
namespace {

struct ReasonRow {
  std::string_view reason;
  Code code;
};

constexpr std::array<ReasonRow, 19> kReasons = {{
    {"NotFound", Code::kNotFound},
    {"AlreadyExists", Code::kAlreadyExists},
    {"Conflict", Code::kAborted},
    {"Invalid", Code::kFailedPrecondition},
    {"Forbidden", Code::kPermissionDenied},
    {"Unauthorized", Code::kUnauthenticated},
    {"Expired", Code::kOutOfRange},
    {"Gone", Code::kOutOfRange},
    {"TooManyRequests", Code::kResourceExhausted},
    {"Timeout", Code::kDeadlineExceeded},
    {"ServerTimeout", Code::kDeadlineExceeded},
    {"BadRequest", Code::kInvalidArgument},
    {"MethodNotAllowed", Code::kUnimplemented},
    {"NotAcceptable", Code::kInvalidArgument},
    {"UnsupportedMediaType", Code::kUnimplemented},
    {"RequestEntityTooLarge", Code::kInvalidArgument},
    {"InternalError", Code::kInternal},
    {"ServiceUnavailable", Code::kUnavailable},
    {"StorageReadError", Code::kInternal},
}};

}  // namespace

Error ErrorFromStatus(int http_status, std::string_view body) {
  Code code = CodeFromHttpStatus(http_status);
  if (code == Code::kOk) code = Code::kUnknown;
  std::string message;
  auto parsed = Json::Parse(body);
  if (parsed && parsed->IsObject() && (*parsed)["kind"].AsString() == "Status") {
    const std::string& reason = (*parsed)["reason"].AsString();
    auto row = std::find_if(kReasons.begin(), kReasons.end(),
                            [&](const ReasonRow& r) { return r.reason == reason; });
    if (row != kReasons.end()) code = row->code;
    message = (*parsed)["message"].AsString();
    if (message.empty()) message = reason;
  } else {
    message = std::string(body.substr(0, 500));
    while (!message.empty() && (message.back() == '\n' || message.back() == '\r')) {
      message.pop_back();
    }
  }
  if (message.empty()) message = fmt::format("the server answered with status {}", http_status);
  return Error(code, std::move(message));
}

Json StatusFromError(const Error& error, const Json& details) {
  Json status = Json::MakeObject({{"kind", "Status"},
                                  {"apiVersion", "v1"},
                                  {"metadata", Json::MakeObject()},
                                  {"status", "Failure"},
                                  {"message", error.message()},
                                  {"reason", KubernetesReason(error.code())},
                                  {"code", HttpStatus(error.code())}});
  if (!details.IsNull()) status.Set("details", details);
  return status;
}

}  // namespace kinglet::kube
