// Certificates for tests, standalone mode and webhooks: EC P-256, made with OpenSSL.
#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "net/tls/context.h"

namespace kinglet::net {

namespace {

struct Free {
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

constexpr long kDay = 24 * 3600;

std::string Text(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

Status AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    ERR_clear_error();
    return Fail(Code::kInvalidArgument, "certificate extension {} cannot be made", value);
  }
  return {};
}

Status AddSubject(X509* certificate, std::string_view common_name) {
  X509_NAME* name = X509_get_subject_name(certificate);
  if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) != 1) {
    ERR_clear_error();
    return Fail(Code::kInvalidArgument, "bad common name: {}", common_name);
  }
  return {};
}

// A version 3 certificate with a random serial number, valid from an hour ago.
Result<Owned<X509>> Begin(EVP_PKEY* key, std::string_view common_name, int days) {
  Owned<X509> certificate(X509_new());
  unsigned char serial[16];
  if (!certificate || RAND_bytes(serial, sizeof serial) != 1) {
    return Fail(Code::kInternal, "a certificate cannot be made");
  }
  serial[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  X509_set_version(certificate.get(), X509_VERSION_3);
  // Clocks of a cluster differ a little.
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDay);
  X509_set_pubkey(certificate.get(), key);
  KINGLET_RETURN_IF_ERROR(AddSubject(certificate.get(), common_name));
  return certificate;
}

Result<Certificate> Finish(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  if (X509_sign(certificate, signer, EVP_sha256()) == 0) {
    ERR_clear_error();
    return Fail(Code::kInternal, "a certificate cannot be signed");
  }
  Owned<BIO> cert_pem(BIO_new(BIO_s_mem())), key_pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(cert_pem.get(), certificate);
  PEM_write_bio_PKCS8PrivateKey(key_pem.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return Certificate{Text(cert_pem.get()), Text(key_pem.get())};
}

bool IsAddress(const std::string& name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

Owned<X509> Read(std::string_view pem) {
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Owned<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

Result<WallTime> Time(const ASN1_TIME* time) {
  tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return Fail(Code::kInvalidArgument, "a certificate's time cannot be read");
  }
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::string NameText(const GENERAL_NAME& name) {
  if (name.type == GEN_DNS) {
    const ASN1_STRING* text = name.d.dNSName;
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<size_t>(ASN1_STRING_length(text))};
  }
  if (name.type == GEN_IPADD) {
    const ASN1_STRING* bytes = name.d.iPAddress;
    char text[INET6_ADDRSTRLEN] = {};
    const int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
    if (ASN1_STRING_length(bytes) != 4 && ASN1_STRING_length(bytes) != 16) return "";
    inet_ntop(family, ASN1_STRING_get0_data(bytes), text, sizeof text);
    return text;
  }
  return "";
}

}  // namespace

Result<Certificate> MakeCertificateAuthority(std::string_view common_name, int days) {
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (!key) return Fail(Code::kInternal, "a key cannot be made");
  KINGLET_TRY(Owned<X509> certificate, Begin(key.get(), common_name, days));
  X509* x = certificate.get();
  X509_set_issuer_name(x, X509_get_subject_name(x));
  KINGLET_RETURN_IF_ERROR(AddExtension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  KINGLET_RETURN_IF_ERROR(AddExtension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign"));
  KINGLET_RETURN_IF_ERROR(AddExtension(x, x, NID_subject_key_identifier, "hash"));
  return Finish(x, key.get(), key.get());
}

Result<Certificate> IssueCertificate(const Certificate& ca, std::string_view common_name,
                                     const std::vector<std::string>& names, int days, bool client) {
  Owned<BIO> cert_bio(BIO_new_mem_buf(ca.cert_pem.data(), static_cast<int>(ca.cert_pem.size())));
  Owned<BIO> key_bio(BIO_new_mem_buf(ca.key_pem.data(), static_cast<int>(ca.key_pem.size())));
  Owned<X509> issuer(PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr));
  Owned<EVP_PKEY> signer(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (!issuer || !signer) {
    ERR_clear_error();
    return Fail(Code::kInvalidArgument, "the certificate authority is not valid PEM");
  }
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (!key) return Fail(Code::kInternal, "a key cannot be made");
  KINGLET_TRY(Owned<X509> certificate, Begin(key.get(), common_name, days));
  X509* x = certificate.get();
  X509_set_issuer_name(x, X509_get_subject_name(issuer.get()));
  KINGLET_RETURN_IF_ERROR(
      AddExtension(x, issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
  KINGLET_RETURN_IF_ERROR(
      AddExtension(x, issuer.get(), NID_key_usage, "critical,digitalSignature"));
  KINGLET_RETURN_IF_ERROR(
      AddExtension(x, issuer.get(), NID_ext_key_usage, client ? "clientAuth" : "serverAuth"));
  KINGLET_RETURN_IF_ERROR(
      AddExtension(x, issuer.get(), NID_authority_key_identifier, "keyid:always"));
  std::string alternative;
  for (const std::string& name : names) {
    // A comma would begin another entry.
    if (name.find_first_of(",\n") != std::string::npos) {
      return Fail(Code::kInvalidArgument, "bad name for a certificate: {}", name);
    }
    if (!alternative.empty()) alternative += ',';
    alternative += (IsAddress(name) ? "IP:" : "DNS:") + name;
  }
  if (!alternative.empty()) {
    KINGLET_RETURN_IF_ERROR(AddExtension(x, issuer.get(), NID_subject_alt_name, alternative));
  }
  return Finish(x, key.get(), signer.get());
}

Result<CertificateInfo> InspectCertificate(std::string_view pem) {
  Owned<X509> certificate = Read(pem);
  if (!certificate) return Fail(Code::kInvalidArgument, "not a certificate in PEM");
  CertificateInfo info;
  KINGLET_TRY(info.not_before, Time(X509_get0_notBefore(certificate.get())));
  KINGLET_TRY(info.not_after, Time(X509_get0_notAfter(certificate.get())));
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    info.names.push_back(NameText(*sk_GENERAL_NAME_value(names, i)));
  }
  GENERAL_NAMES_free(names);
  return info;
}

bool IsSignedBy(std::string_view pem, std::string_view issuer_pem) {
  Owned<X509> certificate = Read(pem), issuer = Read(issuer_pem);
  const bool signed_by =
      certificate && issuer && X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1;
  ERR_clear_error();
  return signed_by;
}

}  // namespace kinglet::net
