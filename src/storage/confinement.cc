#include "storage/confinement.h"

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "storage/aws_credentials.h"
#include "storage/destination.h"
#include "storage/plugin.h"

namespace kinglet::storage {
namespace {

namespace fs = std::filesystem;

// Variables that name files or folders.
constexpr const char* kVariables[] = {"AWS_CONFIG_FILE",
                                      "AWS_SHARED_CREDENTIALS_FILE",
                                      "AWS_WEB_IDENTITY_TOKEN_FILE",
                                      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                      "AWS_CA_BUNDLE",
                                      "GOOGLE_APPLICATION_CREDENTIALS",
                                      "CLOUDSDK_CONFIG",
                                      "AZURE_FEDERATED_TOKEN_FILE",
                                      "HF_TOKEN_PATH",
                                      "HDFS_SECRET_DIR",
                                      "CA_BUNDLE_VOLUME_MOUNT_POINT",
                                      "REQUESTS_CA_BUNDLE",
                                      "SSL_CERT_FILE",
                                      "SSL_CERT_DIR",
                                      "KSERVE_OCI_DOCKER_CONFIG",
                                      "DOCKER_CONFIG",
                                      "KRB5_CONFIG"};
constexpr const char* kInHome[] = {".aws", ".docker/config.json", ".config/gcloud",
                                   ".cache/huggingface/token"};
// Where Kubernetes and KServe mount secrets.
constexpr const char* kMounts[] = {"/var/run/secrets", "/run/secrets", "/var/secrets"};
constexpr size_t kMaxFile = 1 << 20;
constexpr int kMaxSources = 8;

void AllowFile(const std::string& path, Confinement& confinement) {
  if (path.empty()) return;
  confinement.read.push_back(path);
  // Kubernetes renews a projected file by replacing the folder that `..data` leads to.
  const fs::path folder = fs::path(path).parent_path();
  std::error_code error;
  if (fs::exists(folder / "..data", error)) confinement.read.push_back(folder);
}

void AllowCredentials(const Environment& environment, Confinement& confinement) {
  for (const char* mount : kMounts) confinement.read.emplace_back(mount);
  for (const char* variable : kVariables) {
    std::string path = environment.Get(variable);
    if (path.starts_with("~/")) path = environment.Get("HOME") + path.substr(1);
    AllowFile(path, confinement);
  }
  if (const std::string home = environment.Get("HOME"); !home.empty()) {
    for (const char* name : kInHome) confinement.read.push_back(home + "/" + name);
  }
  if (const std::string home = environment.Get("HF_HOME"); !home.empty()) {
    confinement.read.push_back(home + "/token");
  }
  // Files that files name; a profile can name another as its source.
  std::string name = AwsProfileName(environment);
  for (int depth = 0; depth < kMaxSources && !name.empty(); ++depth) {
    AwsProfile profile = ReadAwsProfile(environment, name);
    AllowFile(profile["web_identity_token_file"], confinement);
    name = profile["source_profile"];
  }
  if (auto text = ReadFile(environment.Get("GOOGLE_APPLICATION_CREDENTIALS"), kMaxFile)) {
    auto json = Json::Parse(*text, {.max_bytes = kMaxFile, .max_depth = 16});
    if (json) AllowFile((*json)["credential_source"]["file"].AsString(), confinement);
  }
}

void AllowDestination(const std::string& path, Confinement& confinement) {
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  fs::create_directories(whole.parent_path(), error);
  confinement.write.push_back(whole);
  if (!Destination::IsFilledInside(whole)) confinement.write.push_back(whole.parent_path());
}

}  // namespace

void ConfineDownloads(std::span<const std::string> pairs, Environment environment,
                      Confinement besides) {
  (void)environment.ApplyStorageConfig();  // what is wrong with it is said by the download
  Confinement confinement = std::move(besides);
  AllowCredentials(environment, confinement);
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    auto plugin = FindPlugin(pairs[i]);
    if (plugin && plugin->local_path) confinement.read.push_back(plugin->local_path(pairs[i]));
    AllowDestination(pairs[i + 1], confinement);
  }
  Confine(confinement);
}

}  // namespace kinglet::storage
