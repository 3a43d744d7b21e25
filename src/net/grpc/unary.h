// One unary gRPC call over HTTP/2 without TLS (https://github.com/grpc/grpc/blob/master/doc/
// PROTOCOL-HTTP2.md), for tools that ask a server now and then. Blocking; a connection a call.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace kinglet::grpc {

struct UnaryCall {
  std::string target;   // "10.0.0.7:6379"
  std::string method;   // "/package.Service/Method"
  std::string request;  // the message's bytes
  Deadline deadline = Deadline::Never();
  size_t reply_limit = size_t{16} << 20;
};

// The reply message's bytes. Errors are the server's status, or kUnavailable, kDeadlineExceeded and
// kResourceExhausted for what kept one from arriving.
Result<std::string> CallUnary(const UnaryCall& call);

}  // namespace kinglet::grpc
