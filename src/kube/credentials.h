// What goes into the Authorization header, kept fresh: token files are read again, exec plugins run
// again when their credential expires.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "kube/config.h"

namespace kinglet::kube {

struct Credential {
  std::string authorization;      // header value, "" none
  std::string cert_pem, key_pem;  // a client certificate from an exec plugin, "" none

  bool operator==(const Credential&) const = default;
};

// Thread-safe.
class Credentials {
 public:
  virtual ~Credentials() = default;
  // `rejected`: the server answered 401 to the last one, so a kept credential is not good.
  virtual Result<Credential> Get(bool rejected, std::stop_token stop) = 0;
};

std::unique_ptr<Credentials> MakeCredentials(const ClientConfig& config);

// Runs the plugin and returns the ExecCredential's status object.
Result<Json> RunExecPlugin(const ExecCredentialPlugin& plugin, const ClientConfig& config,
                           std::stop_token stop);

}  // namespace kinglet::kube
