// Errors as values: the 17 canonical codes of gRPC and a message that grows context on its way up.
#pragma once

#include <string>
#include <string_view>

namespace kinglet {

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
enum class Code {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on.
std::string_view CodeName(Code code);

// The one table from codes to HTTP statuses. kOk is 200.
int HttpStatus(Code code);

// The canonical code that best describes an HTTP status of a peer.
Code CodeFromHttpStatus(int status);

// The Kubernetes `reason` (metav1.StatusReason) of a code, e.g. "NotFound", "Conflict".
std::string_view KubernetesReason(Code code);

class Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // "context: message", for use on the way up.
  Error WithContext(std::string_view context) const;
  // "NOT_FOUND: message", for logs.
  std::string ToString() const;

  bool operator==(const Error&) const = default;

 private:
  Code code_;
  std::string message_;
};

}  // namespace kinglet
