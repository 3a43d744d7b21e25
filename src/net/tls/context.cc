#include "net/tls/context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "base/guarded.h"
#include "net/tls/session.h"

namespace kinglet::net {

namespace {

std::string OpenSslError() {
  std::array<char, 256> text{};
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

struct Free {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> Memory(std::string_view pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// A password callback that has none: encrypted keys are refused instead of asking the terminal.
int NoPassword(char*, int, int, void*) { return 0; }

int SelectHttp11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                 unsigned in_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  auto** selected = const_cast<unsigned char**>(out);
  if (SSL_select_next_proto(selected, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) ==
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// Messages of a handshake and alerts: a handshake has a dozen, and a key update comes after
// gigabytes.
constexpr uintptr_t kMostMessages = 64;

// OpenSSL answers key updates and refuses renegotiations inside one read, for as long as they keep
// coming; meanwhile the loop serves nobody else. A client that sends too many is taken as gone.
void CountMessages(int sent, int, int type, const void*, size_t, SSL* ssl, void*) {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  if (type != SSL3_RT_ALERT && (sent || type != SSL3_RT_HANDSHAKE)) return;
  const uintptr_t count = reinterpret_cast<uintptr_t>(SSL_get_ex_data(ssl, index)) + 1;
  SSL_set_ex_data(ssl, index, reinterpret_cast<void*>(count));
  if (count > kMostMessages) SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
}

using Names = std::vector<std::string>;

void FreeNames(void*, void* names, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Names*>(names);
}

// Where an SSL_CTX keeps its client_names.
int NamesIndex() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, FreeNames);
  return index;
}

std::string CommonName(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return "";
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return "";
  std::string name(reinterpret_cast<char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  return name;
}

bool IsFor(X509* certificate, const Names& names) {
  const std::string common_name = CommonName(certificate);
  return std::ranges::any_of(names, [&](const std::string& name) {
    constexpr unsigned kFlags = X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    return name == common_name ||
           X509_check_host(certificate, name.data(), name.size(), kFlags, nullptr) == 1;
  });
}

// After the chain was verified (`ok`): of the client's own certificate, also its name.
int CheckClientName(int ok, X509_STORE_CTX* chain) {
  if (ok != 1 || X509_STORE_CTX_get_error_depth(chain) != 0) return ok;
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* names = static_cast<Names*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), NamesIndex()));
  if (!names || IsFor(X509_STORE_CTX_get_current_cert(chain), *names)) return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

Result<std::shared_ptr<SSL_CTX>> MakeContext(const TlsOptions& options) {
  ERR_clear_error();
  Owned<SSL_CTX> owned(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = owned.get();
  if (!context) return Fail(Code::kInternal, "TLS: {}", OpenSslError());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, SelectHttp11, nullptr);
  SSL_CTX_set_msg_callback(context, CountMessages);

  Owned<BIO> chain = Memory(options.cert_pem);
  Owned<X509> leaf(PEM_read_bio_X509_AUX(chain.get(), nullptr, NoPassword, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return Fail(Code::kInvalidArgument, "TLS certificate: {}", OpenSslError());
  }
  while (X509* extra = PEM_read_bio_X509(chain.get(), nullptr, NoPassword, nullptr)) {
    if (SSL_CTX_add_extra_chain_cert(context, extra) != 1) X509_free(extra);
  }
  ERR_clear_error();
  Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(Memory(options.key_pem).get(), nullptr, NoPassword, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return Fail(Code::kInvalidArgument, "TLS private key: {}", OpenSslError());
  }
  if (!options.client_ca_pem.empty()) {
    Owned<BIO> bio = Memory(options.client_ca_pem);
    int count = 0;
    while (X509* ca = PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr)) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca);
      SSL_CTX_add_client_CA(context, ca);
      X509_free(ca);
      ++count;
    }
    ERR_clear_error();
    if (count == 0) return Fail(Code::kInvalidArgument, "TLS client CA: no certificate in it");
    int mode = SSL_VERIFY_PEER;
    if (options.require_client_cert) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, CheckClientName);
    if (!options.client_names.empty()) {
      auto names = std::make_unique<Names>(options.client_names);
      if (SSL_CTX_set_ex_data(context, NamesIndex(), names.get()) != 1) {
        return Fail(Code::kInternal, "TLS: {}", OpenSslError());
      }
      names.release();  // freed with the context
    }
    static constexpr unsigned char kSessionContext[] = "kinglet";
    SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
  }
  return std::shared_ptr<SSL_CTX>(owned.release(), SSL_CTX_free);
}

class ContextImpl final : public TlsContext {
 public:
  explicit ContextImpl(std::shared_ptr<SSL_CTX> context) : context_(std::move(context)) {}
  Status Replace(const TlsOptions& options) override {
    KINGLET_TRY(auto fresh, MakeContext(options));
    *context_.Acquire() = std::move(fresh);
    return {};
  }
  std::shared_ptr<SSL_CTX> current() {
    return context_.With([](auto& context) { return context; });
  }

 private:
  Guarded<std::shared_ptr<SSL_CTX>> context_;
};

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::Make(const TlsOptions& options) {
  KINGLET_TRY(auto context, MakeContext(options));
  return std::make_shared<ContextImpl>(std::move(context));
}

std::unique_ptr<TlsSession> TlsSession::Accept(TlsContext& context, int fd) {
  // The SSL keeps its own reference to the context: replacing it does not disturb the session.
  SSL* ssl = SSL_new(static_cast<ContextImpl&>(context).current().get());
  if (!ssl) return nullptr;
  if (SSL_set_fd(ssl, fd) != 1) {
    SSL_free(ssl);
    return nullptr;
  }
  SSL_set_accept_state(ssl);
  return Take(ssl);
}

}  // namespace kinglet::net
