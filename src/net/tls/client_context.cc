#include "net/tls/client_context.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/file.h"

namespace kinglet::net {
namespace {

constexpr size_t kMaxPem = size_t{4} << 20;

struct Free {
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string Problem() {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason ? reason : "unknown error";
}

Owned<BIO> Memory(std::string_view pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Encrypted keys are refused instead of asking the terminal.
int NoPassword(char*, int, int, void*) { return 0; }

Result<std::string> Pem(const std::string& pem, const std::string& file) {
  if (!pem.empty() || file.empty()) return pem;
  auto text = ReadFile(file, kMaxPem);
  if (!text) return Fail(Code::kInvalidArgument, "{}", text.error().message());
  return text;
}

Status Trust(SSL_CTX* context, const TlsClientOptions& options) {
  if (options.insecure_skip_verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return {};
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  KINGLET_TRY(std::string pem, Pem(options.ca_pem, options.ca_file));
  if (pem.empty() && options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  Owned<BIO> bio = Memory(pem);
  int count = 0;
  while (Owned<X509> ca{PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr)}) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) {
    return Fail(Code::kInvalidArgument, "{} has no certificate",
                options.ca_pem.empty() ? options.ca_file : "the CA bundle");
  }
  return {};
}

Status Present(SSL_CTX* context, const TlsClientOptions& options) {
  KINGLET_TRY(std::string chain_pem, Pem(options.cert_pem, options.cert_file));
  if (chain_pem.empty()) return {};
  KINGLET_TRY(std::string key_pem, Pem(options.key_pem, options.key_file));
  Owned<BIO> chain = Memory(chain_pem);
  Owned<X509> leaf(PEM_read_bio_X509_AUX(chain.get(), nullptr, NoPassword, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return Fail(Code::kInvalidArgument, "client certificate: {}", Problem());
  }
  while (X509* extra = PEM_read_bio_X509(chain.get(), nullptr, NoPassword, nullptr)) {
    if (SSL_CTX_add_extra_chain_cert(context, extra) != 1) X509_free(extra);
  }
  ERR_clear_error();
  // The key may lie in the certificate's file.
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Memory(key_pem.empty() ? chain_pem : key_pem).get(),
                                              nullptr, NoPassword, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return Fail(Code::kInvalidArgument, "client key: {}", Problem());
  }
  return {};
}

// A descriptor as OpenSSL's own BIO, but that a peer that went away raises no signal.
int Descriptor(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int SendBytes(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t put = send(Descriptor(bio), data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (put < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(put);
}

int ReceiveBytes(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = recv(Descriptor(bio), data, static_cast<size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* SocketBio(int fd) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, SendBytes);
    BIO_meth_set_read(made, ReceiveBytes);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  BIO* bio = BIO_new(method);
  if (!bio) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  BIO_set_init(bio, 1);
  return bio;
}

bool IsAddress(const std::string& name) {
  in6_addr address;
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

}  // namespace

std::string TlsClientContext::Stamp() const {
  std::string stamp;
  for (const std::string& file : {options_.ca_file, options_.cert_file, options_.key_file}) {
    struct stat info{};
    if (file.empty() || stat(file.c_str(), &info) != 0) continue;
    stamp += fmt::format("{}:{}:{}.{};", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                         info.st_mtim.tv_nsec);
  }
  return stamp;
}

Result<std::shared_ptr<ssl_ctx_st>> TlsClientContext::Make() const {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context) return Fail(Code::kInternal, "TLS: {}", Problem());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context.get(), 1);
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context.get(), kHttp11, sizeof kHttp11 - 1);
  KINGLET_RETURN_IF_ERROR(Trust(context.get(), options_));
  KINGLET_RETURN_IF_ERROR(Present(context.get(), options_));
  return context;
}

Result<std::shared_ptr<ssl_ctx_st>> TlsClientContext::Current() {
  std::string stamp = Stamp();
  auto state = state_.Acquire();
  if (state->context && state->stamp == stamp) return state->context;
  auto made = Make();
  // While files are being replaced, what was read before may still do.
  if (!made) return state->context ? state->context : made;
  state->context = *std::move(made);
  state->stamp = std::move(stamp);
  return state->context;
}

Result<std::unique_ptr<TlsSession>> TlsClientContext::Connect(int fd, const std::string& name) {
  KINGLET_TRY(auto context, Current());
  Owned<SSL> ssl(SSL_new(context.get()));
  BIO* bio = SocketBio(fd);
  if (!ssl || !bio) {
    BIO_free(bio);
    return Fail(Code::kResourceExhausted, "TLS: out of memory");
  }
  SSL_set_bio(ssl.get(), bio, bio);
  bool named = false;
  if (IsAddress(name)) {
    named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    named = SSL_set_tlsext_host_name(ssl.get(), name.c_str()) == 1 &&
            SSL_set1_host(ssl.get(), name.c_str()) == 1;
  }
  if (!named) return Fail(Code::kInvalidArgument, "TLS: \"{}\" is not a host's name", name);
  SSL_set_connect_state(ssl.get());
  return TlsSession::Take(ssl.release());
}

}  // namespace kinglet::net
