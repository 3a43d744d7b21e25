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
  Json storage;         // {key, parameters}; null: not said
  std::string ns = "";  // of a LocalModelNamespaceCache; empty for a LocalModelCache

  bool operator==(const CredentialWish&) const = default;
  bool empty() const { return service_account.empty() && storage.IsNull(); }
};

// Annotation of a ServiceAccount, or of the storage secret, in the namespace of the jobs: the
// namespaces whose LocalModelNamespaceCaches may download with it, separated by commas; "*" is all.
inline constexpr std::string_view kAllowedNamespaces = "serving.kserve.io/localmodel-namespaces";

// From the job's namespace, into its container: by an entry of the storage secret if `wish` has a
// key, by the account's secrets otherwise. Nothing for an empty wish. What came before an error
// stays in the job.
//
// The credentials of that namespace are the administrator's. Whoever may create caches in a
// namespace must not read with them what they could not read otherwise, so a
// LocalModelNamespaceCache gets only those whose annotation names its namespace:
// kPermissionDenied otherwise, and then no job may be made with this account.
Status AddJobCredentials(kube::Client& client, const Result<api::CredentialsConfig>& config,
                         const CredentialWish& wish, Json& job);

}  // namespace kinglet::control
