#include "control/localmodelnode/job_credentials.h"

#include "credentials/credentials.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

bool Allows(const Json& object, const std::string& ns) {
  std::string_view rest = kube::Annotation(object, kAllowedNamespaces);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    std::string_view name = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name == "*" || name == ns) return true;
  }
  return false;
}

// `read`: the object whose credentials are asked for, as far as it could be read.
Status CheckAllowed(const Result<Json>& read, const CredentialWish& wish, std::string_view kind,
                    const kube::ObjectKey& key) {
  if (wish.ns.empty() || (read && Allows(*read, wish.ns))) return {};
  return Fail(Code::kPermissionDenied,
              "caches of namespace {0} may not use {1} {2}: an administrator allows it with "
              "annotation {3}: {0} of the {1}",
              wish.ns, kind, key.ToString(), kAllowedNamespaces);
}

Status AddTo(kube::Client& client, const credentials::SecretSource& source,
             const CredentialWish& wish, Json& pod, Json& container) {
  const Json& key = wish.storage["key"];
  const kube::ObjectKey account_key{
      .ns = source.ns, .name = wish.service_account.empty() ? "default" : wish.service_account};
  Result<Json> account = Json();
  // Its cloud identity is the pod's even if its secrets do not count.
  if (!key.IsString() || !wish.service_account.empty()) {
    account = client.Get(kube::kServiceAccount, account_key);
    KINGLET_RETURN_IF_ERROR(CheckAllowed(account, wish, "ServiceAccount", account_key));
  }
  if (key.IsString()) {
    const kube::ObjectKey secret{.ns = source.ns, .name = source.config.storage_spec_secret_name};
    if (!wish.ns.empty()) {
      KINGLET_RETURN_IF_ERROR(
          CheckAllowed(client.Get(kube::kSecret, secret), wish, "Secret", secret));
    }
    return credentials::AddStorageSpecCredentials(source, key.AsString(),
                                                  wish.storage["parameters"], container);
  }
  if (!account) {
    return Unexpected(
        account.error().WithContext(fmt::format("service account {}", account_key.name)));
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
