#include "admission/pod/credentials.h"

#include "api/constants.h"
#include "base/log.h"
#include "credentials/credentials.h"

namespace kinglet::admission {
namespace {

credentials::SecretSource SourceFor(const Pod& pod, const api::CredentialsConfig& config) {
  credentials::SecretSource source{.client = pod.client, .config = config, .ns = pod.ns};
  if (config.storage_secret_name_annotation.empty()) return source;
  if (const Json* chosen = pod.Annotation(config.storage_secret_name_annotation)) {
    source.secret = chosen->AsString();
  }
  return source;
}

}  // namespace

Status AddServiceAccountCredentials(Pod& pod, Json& container) {
  if (!pod.config.credentials) return Unexpected(pod.config.credentials.error());
  std::string account = pod.spec()["serviceAccountName"].AsString();
  if (account.empty()) account = "default";
  auto found = pod.client.Get(kube::kServiceAccount, {.ns = pod.ns, .name = account});
  if (!found) {
    LogDebug("no credentials: the service account cannot be read",
             {{"serviceaccount", account}, {"error", found.error().message()}});
    return {};
  }
  return credentials::AddServiceAccountCredentials(SourceFor(pod, *pod.config.credentials), *found,
                                                   pod.mutable_spec(), container);
}

Status AddStorageSpecCredentials(Pod& pod, Json& container) {
  if (!pod.config.credentials) return Unexpected(pod.config.credentials.error());
  Json parameters = Json::MakeObject();
  if (const Json* text = pod.Annotation(api::annotation::kStorageSpecParam)) {
    KINGLET_TRY(parameters, credentials::ParseStrings(text->AsString()));
  }
  return credentials::AddStorageSpecCredentials(
      SourceFor(pod, *pod.config.credentials),
      pod.AnnotationOr(api::annotation::kStorageSpecKey, ""), parameters, container);
}

}  // namespace kinglet::admission
