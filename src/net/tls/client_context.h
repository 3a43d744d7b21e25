// TLS client credentials (OpenSSL): whom to trust, and who we are.
#pragma once

#include <memory>
#include <string>

#include "base/guarded.h"
#include "base/result.h"
#include "net/tls/session.h"

struct ssl_ctx_st;

namespace kinglet::net {

struct TlsClientOptions {
  std::string ca_file;  // PEM; neither: the system's
  std::string ca_pem;
  std::string cert_file, key_file;  // client certificate with its chain
  std::string cert_pem, key_pem;
  bool insecure_skip_verify = false;
};

// Thread-safe. TLS 1.2 and later, ALPN http/1.1. Everything is read when the first session starts;
// files that have changed since (projected volumes of pods do) are read again for the next one.
class TlsClientContext {
 public:
  explicit TlsClientContext(TlsClientOptions options) : options_(std::move(options)) {}

  // The client's side of a connected, non-blocking `fd`, which stays the caller's. The peer's
  // certificate must be for `name`, a DNS name or an address. kInvalidArgument: unusable options.
  Result<std::unique_ptr<TlsSession>> Connect(int fd, const std::string& name);

 private:
  struct State {
    std::shared_ptr<ssl_ctx_st> context;
    std::string stamp;  // of the files it was made from
  };
  std::string Stamp() const;
  Result<std::shared_ptr<ssl_ctx_st>> Make() const;
  Result<std::shared_ptr<ssl_ctx_st>> Current();

  const TlsClientOptions options_;
  Guarded<State> state_;
};

}  // namespace kinglet::net
