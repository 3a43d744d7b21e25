// One TLS connection over a non-blocking descriptor, for net/ itself.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "net/tls/context.h"

struct ssl_st;

namespace kinglet::net {

class TlsSession {
 public:
  // Results of Handshake, Read and Write besides a byte count.
  static constexpr ssize_t kEnd = 0;     // the peer ended the stream
  static constexpr ssize_t kAgain = -1;  // wait for the descriptor
  static constexpr ssize_t kFailed = -2;

  virtual ~TlsSession() = default;
  virtual ssize_t Handshake() = 0;  // 1 when done
  virtual ssize_t Read(char* data, size_t size) = 0;
  virtual ssize_t Write(const char* data, size_t size) = 0;
  virtual void Shutdown() = 0;  // sends close_notify when that does not block
  // After kAgain: whether the descriptor is waited for to take bytes, not to have some.
  virtual bool WantsWrite() const = 0;
  // After kFailed: why, for people.
  virtual const std::string& problem() const = 0;

  // The server's side of `fd`, which stays the caller's. Null when out of memory.
  static std::unique_ptr<TlsSession> Accept(TlsContext& context, int fd);
  // Takes an SSL whose side and descriptor are set.
  static std::unique_ptr<TlsSession> Take(ssl_st* ssl);
};

}  // namespace kinglet::net
