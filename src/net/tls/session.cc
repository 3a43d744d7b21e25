#include "net/tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <cerrno>
#include <cstring>

namespace kinglet::net {
namespace {

class SessionImpl final : public TlsSession {
 public:
  explicit SessionImpl(SSL* ssl) : ssl_(ssl) {}
  ~SessionImpl() override { SSL_free(ssl_); }

  ssize_t Handshake() override {
    ERR_clear_error();
    int result = SSL_do_handshake(ssl_);
    return result == 1 ? 1 : Explain(result);
  }
  ssize_t Read(char* data, size_t size) override {
    ERR_clear_error();
    size_t got = 0;
    int result = SSL_read_ex(ssl_, data, size, &got);
    return result == 1 ? static_cast<ssize_t>(got) : Explain(result);
  }
  ssize_t Write(const char* data, size_t size) override {
    ERR_clear_error();
    size_t put = 0;
    int result = SSL_write_ex(ssl_, data, size, &put);
    if (result == 1) return static_cast<ssize_t>(put);
    ssize_t why = Explain(result);
    return why == kEnd ? kFailed : why;
  }
  void Shutdown() override {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }
  bool WantsWrite() const override { return SSL_want_write(ssl_); }
  const std::string& problem() const override { return problem_; }

 private:
  ssize_t Explain(int result) {
    const int system = errno;
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return kAgain;
      case SSL_ERROR_ZERO_RETURN:
        return kEnd;
      case SSL_ERROR_SYSCALL:
        problem_ = system ? strerror(system) : "the connection was closed";
        return kFailed;
      default:
        problem_ = Reason();
        return kFailed;
    }
  }

  std::string Reason() const {
    if (long verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK) {
      return std::string("the peer's certificate is not valid here: ") +
             X509_verify_cert_error_string(verdict);
    }
    const unsigned long code = ERR_peek_error();
    if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      return "the connection was closed";
    }
    const char* reason = ERR_reason_error_string(code);
    return reason ? std::string("TLS: ") + reason : "TLS failed";
  }

  SSL* ssl_;
  std::string problem_;
};

}  // namespace

std::unique_ptr<TlsSession> TlsSession::Take(ssl_st* ssl) {
  return std::make_unique<SessionImpl>(ssl);
}

}  // namespace kinglet::net
