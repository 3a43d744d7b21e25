// Certificates that a webhook server issues to itself, so that nobody has to install cert-manager.
//
// A Secret holds a certificate authority and the serving certificate it signed; all replicas share
// it. The CA's certificate is written into the webhook configurations. Renewal never refuses a
// call: a new authority is announced (in caBundle) before anything it signed is served, and the old
// one stays announced until it expires.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "kube/client.h"
#include "net/tls/context.h"

namespace kinglet::kube {

// What the Secret holds.
struct WebhookCertificates {
  net::Certificate ca;  // signed `serving`
  net::Certificate serving;
  net::Certificate next_ca;  // announced, to sign next; may be empty
  std::string previous_ca;   // signed the serving certificate before; may be empty

  // For caBundle. The same text before and after `next_ca` takes over.
  std::string Bundle() const { return previous_ca + ca.cert_pem + next_ca.cert_pem; }
};

struct WebhookCertificateOptions {
  ObjectKey secret;
  std::vector<std::string>
      names;  // DNS names and addresses of the server; the first is its subject
  std::vector<std::string> mutating, validating;  // names of the webhook configurations
  int ca_days = 3650, serving_days = 365;
};

// One step of the life of the certificates; false when nothing is due. They are renewed when a
// third of their time is left. `announced`: every webhook configuration has Bundle().
Result<bool> AdvanceCertificates(WebhookCertificates& certificates,
                                 const WebhookCertificateOptions& options, WallTime now,
                                 bool announced);

// Used by one thread.
class WebhookCertificateIssuer {
 public:
  WebhookCertificateIssuer(Client& client, WebhookCertificateOptions options,
                           const Clock& clock = Clock::System());

  // Reads the Secret, takes what steps are due, and writes the authorities into the webhook
  // configurations that exist. Call it now and then. Returns what to serve. kAborted or
  // kAlreadyExists: another replica was faster; call again.
  Result<net::Certificate> Step();

 private:
  Result<bool> Announced(const std::string& bundle);
  Status Announce(const std::string& bundle);
  Status Store(const WebhookCertificates& certificates, const Json& secret);
  Result<Json> Configuration(const ResourceType& type, const std::string& name);

  Client& client_;
  const WebhookCertificateOptions options_;
  const Clock& clock_;
};

}  // namespace kinglet::kube
