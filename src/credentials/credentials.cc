#include "credentials/credentials.h"

#include <algorithm>

#include "api/constants.h"
#include "api/containers.h"
#include "base/encoding.h"
#include "base/text.h"
#include "kube/object.h"

namespace kinglet::credentials {
namespace {

constexpr std::string_view kHttpsHost = "https-host";
constexpr size_t kMaxSecrets = 64;  // of one service account

Json ValueEnv(std::string_view name, std::string_view value) {
  return Json::MakeObject({{"name", name}, {"value", value}});
}

Json SecretEnv(std::string_view name, const Json& secret, std::string_view key) {
  Json reference = Json::MakeObject({{"name", kube::Name(secret)}, {"key", key}});
  return Json::MakeObject(
      {{"name", name}, {"valueFrom", Json::MakeObject({{"secretKeyRef", std::move(reference)}})}});
}

// A value of a secret, decoded; nothing where it lacks the key.
std::optional<std::string> SecretValue(const Json& secret, std::string_view key) {
  if (const Json* text = secret["stringData"].Find(key)) return text->AsString();
  const Json* encoded = secret["data"].Find(key);
  if (!encoded) return std::nullopt;
  return Base64Decode(encoded->AsString()).value_or("");
}

// Settings of S3 by annotations of a secret or service account, by the configuration otherwise.
std::vector<Json> S3Envs(const Json& annotations, const api::S3Config& config) {
  std::vector<Json> envs;
  constexpr std::string_view kEndpoint = "serving.kserve.io/s3-endpoint";
  constexpr std::string_view kUseHttps = "serving.kserve.io/s3-usehttps";
  const Json* endpoint = annotations.Find(kEndpoint);
  const std::string host = endpoint ? endpoint->AsString() : config.endpoint;
  if (endpoint || !host.empty()) {
    const Json* chosen = annotations.Find(kUseHttps);
    const std::string https = endpoint ? (chosen ? chosen->AsString() : "") : config.use_https;
    if ((endpoint && chosen) || (!endpoint && https == "0")) {
      envs.push_back(ValueEnv("S3_USE_HTTPS", https));
    }
    envs.push_back(ValueEnv("S3_ENDPOINT", host));
    envs.push_back(ValueEnv("AWS_ENDPOINT_URL", (https == "0" ? "http://" : "https://") + host));
  }
  const struct {
    std::string_view annotation, env;
    const std::string& fallback;
  } kSettings[] = {
      {"serving.kserve.io/s3-verifyssl", "S3_VERIFY_SSL", config.verify_ssl},
      {"serving.kserve.io/s3-useanoncredential", "awsAnonymousCredential",
       config.use_anonymous_credential},
      {"serving.kserve.io/s3-region", "AWS_DEFAULT_REGION", config.region},
      {"serving.kserve.io/s3-usevirtualbucket", "S3_USER_VIRTUAL_BUCKET",
       config.use_virtual_bucket},
      {"serving.kserve.io/s3-useaccelerate", "S3_USE_ACCELERATE", config.use_accelerate},
      {"serving.kserve.io/s3-cabundle", "AWS_CA_BUNDLE", config.ca_bundle},
      {"serving.kserve.io/s3-cabundle-configmap", "AWS_CA_BUNDLE_CONFIGMAP",
       config.ca_bundle_config_map},
  };
  for (const auto& setting : kSettings) {
    const Json* chosen = annotations.Find(setting.annotation);
    const std::string& value = chosen ? chosen->AsString() : setting.fallback;
    if (!value.empty()) envs.push_back(ValueEnv(setting.env, value));
  }
  return envs;
}

void MergeEnvs(Json& container, const std::vector<Json>& envs) {
  for (const Json& env : envs) api::MergeEnv(container, env);
}

Json SecretVolume(std::string_view volume, const Json& secret) {
  return Json::MakeObject(
      {{"name", volume}, {"secret", Json::MakeObject({{"secretName", kube::Name(secret)}})}});
}

void AddAzure(const Json& secret, Json& container) {
  struct Key {
    std::string_view env, legacy;
    bool optional;
  };
  static constexpr Key kKeys[] = {
      {"AZURE_SUBSCRIPTION_ID", "AZ_SUBSCRIPTION_ID", false},
      {"AZURE_TENANT_ID", "AZ_TENANT_ID", false},
      {"AZURE_CLIENT_ID", "AZ_CLIENT_ID", false},
      {"AZURE_CLIENT_SECRET", "AZ_CLIENT_SECRET", true},
      {"AZURE_STORAGE_ACCESS_KEY", "", true},
  };
  for (const auto& key : kKeys) {
    const bool legacy = !key.legacy.empty() && SecretValue(secret, key.legacy);
    if (key.optional && !legacy && !SecretValue(secret, key.env)) continue;
    container.Ref("env").Push(SecretEnv(key.env, secret, legacy ? key.legacy : key.env));
  }
}

// The secret's `headers` for the host that its `https-host` names. The host becomes part of the
// variable's name, so it must be one: what else the key may hold stays in the secret.
Status AddHttpsHeaders(const Json& secret, Json& container) {
  const std::string host = SecretValue(secret, kHttpsHost).value_or("");
  if (!SecretValue(secret, "headers")) return {};
  if (!kube::CheckDnsSubdomain(AsciiLower(host))) {
    return Fail(Code::kInvalidArgument,
                "key {} of secret {} is not a host name: want one such as models.example.com",
                kHttpsHost, kube::Name(secret));
  }
  container.Ref("env").Push(SecretEnv(host + "-headers", secret, "headers"));
  return {};
}

// The first rule that fits the secret's keys.
Status AddSecret(const api::CredentialsConfig& config, const Json& secret, Json& pod_spec,
                 Json& container) {
  auto has = [&](std::string_view key) { return SecretValue(secret, key).has_value(); };
  if (has(config.s3.secret_access_key_name)) {
    std::vector<Json> envs = {
        SecretEnv("AWS_ACCESS_KEY_ID", secret, config.s3.access_key_id_name),
        SecretEnv("AWS_SECRET_ACCESS_KEY", secret, config.s3.secret_access_key_name)};
    for (Json& env : S3Envs(kube::Annotations(secret), config.s3)) envs.push_back(std::move(env));
    MergeEnvs(container, envs);
  } else if (has(config.gcs.credential_file_name)) {
    constexpr std::string_view kVolume = "user-gcp-sa", kPath = "/var/secrets/";
    api::AddVolume(pod_spec, SecretVolume(kVolume, secret));
    api::AddVolumeMount(container, api::VolumeMount(kVolume, kPath, true));
    container.Ref("env").Push(
        ValueEnv("GOOGLE_APPLICATION_CREDENTIALS",
                 fmt::format("{}{}", kPath, config.gcs.credential_file_name)));
  } else if (has("AZ_CLIENT_ID") || has("AZURE_CLIENT_ID")) {
    AddAzure(secret, container);
  } else if (has("AZURE_STORAGE_ACCESS_KEY")) {
    container.Ref("env").Push(
        SecretEnv("AZURE_STORAGE_ACCESS_KEY", secret, "AZURE_STORAGE_ACCESS_KEY"));
  } else if (has(kHttpsHost)) {
    return AddHttpsHeaders(secret, container);
  } else if (has("HDFS_NAMENODE")) {
    constexpr std::string_view kVolume = "hdfs-secrets", kPath = "/var/secrets/kserve-hdfscreds";
    api::AddVolume(pod_spec, SecretVolume(kVolume, secret));
    api::AddVolumeMount(container, api::VolumeMount(kVolume, kPath, true));
  } else if (has("HF_TOKEN")) {
    container.Ref("env").Push(SecretEnv("HF_TOKEN", secret, "HF_TOKEN"));
    container.Ref("env").Push(ValueEnv("HF_HUB_ENABLE_HF_TRANSFER", "1"));
  }
  return {};
}

Result<Json> GetSecret(const SecretSource& source, const std::string& name) {
  if (name.empty()) return Fail(Code::kInvalidArgument, "resource name may not be empty");
  return source.client.Get(kube::kSecret, {.ns = source.ns, .name = name});
}

}  // namespace

Status AddServiceAccountCredentials(const SecretSource& source, const Json& account, Json& pod_spec,
                                    Json& container) {
  if (kube::Annotations(account).Has(api::annotation::kEksRoleArn)) {
    for (Json& env : S3Envs(kube::Annotations(account), source.config.s3)) {
      container.Ref("env").Push(std::move(env));
    }
  }
  std::vector<std::string> secrets;
  if (source.secret) {
    secrets.push_back(*source.secret);
  } else {
    for (const Json& reference : account["secrets"].AsArray()) {
      const std::string& name = reference["name"].AsString();
      if (std::ranges::find(secrets, name) != secrets.end()) continue;
      // Each is a call, and calls of all users share one rate.
      if (secrets.size() == kMaxSecrets) {
        return Fail(Code::kInvalidArgument, "service account {} has more than {} secrets",
                    kube::Name(account), kMaxSecrets);
      }
      secrets.push_back(name);
    }
  }
  for (const auto& name : secrets) {
    auto secret = GetSecret(source, name);
    if (!secret) return Unexpected(secret.error());
    KINGLET_RETURN_IF_ERROR(AddSecret(source.config, *secret, pod_spec, container));
  }
  return {};
}

namespace {

constexpr std::string_view kPlaceholder = "<scheme-placeholder>://";

struct StorageTarget {
  std::string type, bucket;
};

std::string_view GoTypeName(const Json& value) {
  return value.IsNumber() ? "number" : value.TypeName();
}

// What the entry of the secret says.
Status ReadEntry(const Json& entry, StorageTarget& target, Json& container) {
  if (entry.Has("type")) {
    target.type = entry["type"].AsString();
    if (target.type != "s3" && target.type != "hdfs" && target.type != "webhdfs") {
      return Fail(Code::kInternal,
                  "storage type must be one of [s3, hdfs, webhdfs]. storage type [{}] is not "
                  "supported",
                  target.type);
    }
  }
  if (target.bucket.empty()) target.bucket = entry["bucket"].AsString();
  if (const Json* bundle = entry.Find("cabundle_configmap")) {
    container.Ref("env").Push(ValueEnv("AWS_CA_BUNDLE_CONFIGMAP", bundle->AsString()));
  }
  return {};
}

Status ResolvePlaceholder(const StorageTarget& target, Json& container) {
  Json* args = container.Find("args");
  if (!args || args->empty() || !(*args)[0].AsString().starts_with(kPlaceholder)) return {};
  std::string path = (*args)[0].AsString().substr(kPlaceholder.size());
  if (target.type == "s3") {
    if (target.bucket.empty()) {
      return Fail(Code::kInternal,
                  "format [{}] requires a bucket but one wasn't found in storage data or "
                  "parameters",
                  target.type);
    }
    path = fmt::format("{}/{}", target.bucket, path);
  }
  args->MutableArray()[0] = fmt::format("{}://{}", target.type, path);
  return {};
}

}  // namespace

Result<Json> ParseStrings(const std::string& text) {
  auto parsed = Json::Parse(text);
  if (!parsed) return Unexpected(parsed.error());
  Json strings = Json::MakeObject();
  if (!parsed->IsObject() && !parsed->IsNull()) {
    return Fail(Code::kInternal,
                "json: cannot unmarshal {} into Go value of type map[string]string",
                GoTypeName(*parsed));
  }
  for (const auto& [key, value] : parsed->AsObject()) {
    if (!value.IsString() && !value.IsNull()) {
      return Fail(Code::kInternal, "json: cannot unmarshal {} into Go value of type string",
                  GoTypeName(value));
    }
    strings.Set(key, value.AsString());
  }
  return strings;
}

Status AddStorageSpecCredentials(const SecretSource& source, std::string key,
                                 const Json& parameters, Json& container) {
  StorageTarget target{parameters["type"].AsString(), parameters["bucket"].AsString()};
  const std::string secret_name = source.secret.value_or(source.config.storage_spec_secret_name);
  const bool key_given = !key.empty();

  auto secret = GetSecret(source, secret_name);
  if (!secret && (key_given || secret.error().code() != Code::kNotFound)) {
    return Fail(Code::kInternal, "can't read storage secret {}: {}", secret_name,
                secret.error().message());
  }
  if (!key_given) key = target.type.empty() ? "default" : "default_" + target.type;
  std::optional<std::string> entry = secret ? SecretValue(*secret, key) : std::nullopt;
  if (!entry && key_given) {
    return Fail(Code::kInternal, "specified storage key {} not found in storage secret {}", key,
                secret_name);
  }
  if (entry) {
    if (target.type.empty()) {
      auto values = ParseStrings(*entry);
      if (!values) {
        return Fail(Code::kInternal, "invalid json encountered in key {} of storage secret {}: {}",
                    key, secret_name, values.error().message());
      }
      KINGLET_RETURN_IF_ERROR(ReadEntry(*values, target, container));
    }
    container.Ref("env").Push(SecretEnv("STORAGE_CONFIG", *secret, key));
  }
  if (target.type.empty()) return Fail(Code::kInternal, "unable to determine storage type");
  KINGLET_RETURN_IF_ERROR(ResolvePlaceholder(target, container));
  if (!parameters.empty()) {
    container.Ref("env").Push(ValueEnv("STORAGE_OVERRIDE_CONFIG", parameters.Dump()));
  }
  return {};
}

}  // namespace kinglet::credentials
