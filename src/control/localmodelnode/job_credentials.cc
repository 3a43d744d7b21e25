#include "control/localmodelnode/job_credentials.h"

#include "credentials/credentials.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

Status AddTo(kube::Client& client, const credentials::SecretSource& source,
             const CredentialWish& wish, Json& pod, Json& container) {
  if (const Json& key = wish.storage["key"]; key.IsString()) {
    return credentials::AddStorageSpecCredentials(source, key.AsString(),
                                                  wish.storage["parameters"], container);
  }
  const std::string name = wish.service_account.empty() ? "default" : wish.service_account;
  auto account = client.Get(kube::kServiceAccount, {.ns = source.ns, .name = name});
  if (!account) {
    return Unexpected(account.error().WithContext(fmt::format("service account {}", name)));
  }
  return credentials::AddServiceAccountCredentials(source, *account, pod, container);
}

}  // namespace

Status AddJobCredentials(kube::Client& client, const Result<api::CredentialsConfig>& config,
                         const CredentialWish& wish, Json& job) {
  if (wish.empty()) return {};
  if (!config) return Unexpected(config.error());
  Json& pod = job.Path({"spec", "template", "spec"});
  // Not in place: a volume that is added may move the pod's members.
  Json container = pod["containers"][0];
  Status added = AddTo(client, {.client = client, .config = *config, .ns = kube::Namespace(job)},
                       wish, pod, container);
  pod.Ref("containers").MutableArray()[0] = std::move(container);
  return added;
}

}  // namespace kinglet::control
