// Credentials for storage, from the secrets of a service account or from the storage secret:
// environment variables and volumes of the container that reads the storage.
//
// The objects that get them can be read by others than the secrets, so no value of a secret is
// copied: variables refer to keys (secretKeyRef), and files are mounted. Errors name secrets and
// keys, never values.
#pragma once

#include <optional>
#include <string>

#include "api/config.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::credentials {

struct SecretSource {
  kube::Client& client;
  const api::CredentialsConfig& config;
  std::string ns;
  // The one that is asked for instead of the account's, or instead of the configured storage
  // secret.
  std::optional<std::string> secret = {};
};

// By the secrets of `account`, a v1 ServiceAccount. `container` must not lie inside `pod_spec`,
// which gets the volumes. What came before an error stays.
Status AddServiceAccountCredentials(const SecretSource& source, const Json& account, Json& pod_spec,
                                    Json& container);

// By an entry of the storage secret: `key`, or where that is empty the default one of the
// parameters' type. `parameters`: strings, which override what the entry says. May replace the
// scheme in the container's first argument. What came before an error stays.
Status AddStorageSpecCredentials(const SecretSource& source, std::string key,
                                 const Json& parameters, Json& container);

// A JSON object of strings; nulls are empty ones. The errors are those of Go's decoder.
Result<Json> ParseStrings(const std::string& text);

}  // namespace kinglet::credentials
