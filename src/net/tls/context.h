// TLS server credentials (OpenSSL), replaceable while connections are served.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace kinglet::net {

struct TlsOptions {
  std::string cert_pem;  // certificate chain
  std::string key_pem;
  std::string client_ca_pem;  // when set, client certificates are verified
  bool require_client_cert = false;
  // When not empty, a client certificate must also have one of these as its common name, or be for
  // one of these DNS names. Wildcards of certificates do not count.
  std::vector<std::string> client_names = {};
};

// Thread-safe. TLS 1.2 and later, ALPN http/1.1.
class TlsContext {
 public:
  static Result<std::shared_ptr<TlsContext>> Make(const TlsOptions& options);
  virtual ~TlsContext() = default;
  // New connections use the new certificate; running ones go on.
  virtual Status Replace(const TlsOptions& options) = 0;
};

struct Certificate {
  std::string cert_pem;
  std::string key_pem;
};

// A self-signed CA, and a certificate for these DNS names and IP addresses signed by it (EC P-256).
Result<Certificate> MakeCertificateAuthority(std::string_view common_name, int days);
Result<Certificate> IssueCertificate(const Certificate& ca, std::string_view common_name,
                                     const std::vector<std::string>& names, int days,
                                     bool client = false);

struct CertificateInfo {
  WallTime not_before, not_after;
  std::vector<std::string> names;  // DNS names and addresses it is for, in its order
};
// Of the first certificate of a PEM text.
Result<CertificateInfo> InspectCertificate(std::string_view pem);
bool IsSignedBy(std::string_view pem, std::string_view issuer_pem);

}  // namespace kinglet::net
