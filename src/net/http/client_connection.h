// One connection of a blocking client: TCP (or a UNIX socket), through a proxy where there is one,
// with TLS where the URL asks for it. For net/http itself. One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "base/uri.h"
#include "net/http/client.h"
#include "net/http/dial.h"
#include "net/tls/client_context.h"

namespace kinglet::http {

class ClientConnection {
 public:
  // Within options.connect_timeout and `patience`. kUnavailable, kDeadlineExceeded, kCancelled,
  // kPermissionDenied, kInvalidArgument (unusable options).
  static Result<std::unique_ptr<ClientConnection>> Open(const Uri& url,
                                                        const ClientOptions& options,
                                                        const std::optional<Uri>& proxy,
                                                        net::TlsClientContext& tls,
                                                        const Patience& patience);

  // Some bytes; 0 at the end of the stream.
  Result<size_t> Read(char* data, size_t size, const Patience& patience);
  // True: all is written. False: the peer has said something before it took everything, so that
  // the rest is not wanted; Read gives it.
  Result<bool> Write(std::string_view bytes, const Patience& patience);

  // Whether an idle connection can still be used: open, and nothing unexpected to read.
  bool IsIdle() const;
  const Waker& waker() const { return waker_; }

 private:
  ClientConnection(Waker waker, const ClientOptions& options)
      : options_(options), waker_(std::move(waker)) {}
  Status Connect(const Uri& url, const std::optional<Uri>& proxy, net::TlsClientContext& tls,
                 const Patience& patience);
  Status Tunnel(const Uri& url, const Uri& proxy, const Patience& patience);
  Status Handshake(const Uri& url, net::TlsClientContext& tls, const Patience& patience);
  // Without waiting. As TlsSession's: a count, kEnd, kAgain, kFailed.
  ssize_t TryRead(char* data, size_t size);
  ssize_t TryWrite(std::string_view bytes);
  Unexpected Broken() const;

  const ClientOptions& options_;
  Waker waker_;
  Fd fd_;
  std::unique_ptr<net::TlsSession> tls_;
  std::string early_;    // read while writing
  std::string problem_;  // why TryRead or TryWrite failed
};

// The value of Proxy-Authorization, or "".
std::string ProxyAuthorization(const Uri& proxy);

}  // namespace kinglet::http
