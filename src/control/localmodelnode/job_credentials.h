// Credentials of a download job, as the cache asks for them.
#pragma once

#include <string>

#include "api/config.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::control {

// What an entry of LocalModelNode.spec.localModels says about them.
struct CredentialWish {
  std::string service_account;
  Json storage;  // {key, parameters}; null: not said

  bool empty() const { return service_account.empty() && storage.IsNull(); }
};

// From the job's namespace, into its container: by an entry of the storage secret where `wish`
// has a key, by the account's secrets otherwise. Nothing for an empty wish. What came before an
// error stays in the job.
Status AddJobCredentials(kube::Client& client, const Result<api::CredentialsConfig>& config,
                         const CredentialWish& wish, Json& job);

}  // namespace kinglet::control
