#include "kube/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/encoding.h"
#include "base/file.h"
#include "base/uri.h"
#include "base/yaml.h"

namespace kinglet::kube {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxFile = size_t{16} << 20;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Members of the kubeconfig that name files, made absolute.
void ResolvePaths(Json& config, const fs::path& folder) {
  auto resolve = [&](Json* object, std::string_view field) {
    if (!object || !object->IsObject()) return;
    Json* value = object->Find(field);
    if (value && !value->AsString().empty() && fs::path(value->AsString()).is_relative()) {
      *value = (folder / value->AsString()).lexically_normal().string();
    }
  };
  auto each = [&](std::string_view list, std::string_view member,
                  std::initializer_list<std::string_view> fields) {
    Json* items = config.Find(list);
    if (!items || !items->IsArray()) return;
    for (Json& item : items->MutableArray()) {
      Json* body = item.IsObject() ? item.Find(member) : nullptr;
      for (std::string_view field : fields) resolve(body, field);
      Json* exec = body && body->IsObject() ? body->Find("exec") : nullptr;
      // A bare command is looked up in PATH, one with a slash counts from the file.
      if (exec && (*exec)["command"].AsString().find('/') != std::string::npos) {
        resolve(exec, "command");
      }
    }
  };
  each("clusters", "cluster", {"certificate-authority"});
  each("users", "user", {"client-certificate", "client-key", "tokenFile"});
}

// A kubeconfig can name a program to run. Only its user (or root) may decide which.
Status CheckPrograms(const std::string& path, const Json& config) {
  for (const Json& user : config["users"].AsArray()) {
    const std::string& command = user["user"]["exec"]["command"].AsString();
    struct stat info{};
    if (command.empty() || ::stat(path.c_str(), &info) != 0) continue;
    const bool foreign = info.st_uid != ::geteuid() && info.st_uid != 0;
    if (!foreign && !(info.st_mode & S_IWOTH)) continue;
    return Fail(
        Code::kPermissionDenied,
        "{} says to run {} but {}: it is not run; make the file your own and chmod it to 0600",
        path, command,
        foreign ? "belongs to another user" : "can be changed by every user of the machine");
  }
  return {};
}

void MergeInto(Json& merged, const Json& more) {
  for (const auto& [key, value] : more.AsObject()) {
    Json& present = merged.Ref(key);
    if (present.IsNull() || present == Json("")) {
      present = value;
    } else if (present.IsArray() && value.IsArray()) {
      for (const Json& item : value.AsArray()) {
        bool known = false;
        for (const Json& other : present.AsArray()) known = known || other["name"] == item["name"];
        if (!known) present.Push(item);
      }
    }
  }
}

Result<const Json*> FindNamed(const Json& config, std::string_view list, std::string_view member,
                              std::string_view name) {
  for (const Json& item : config[list].AsArray()) {
    if (item["name"].AsString() == name) return &item[member];
  }
  return Fail(Code::kNotFound, "the kubeconfig has no {} named \"{}\"", member, name);
}

// `field-data` in base64 into pem, else the path of `field` into file.
Status ReadPem(const Json& object, std::string_view field, std::string* pem, std::string* file) {
  const std::string& data = object[std::string(field) + "-data"].AsString();
  if (data.empty()) {
    *file = object[field].AsString();
    return {};
  }
  auto decoded = Base64Decode(data);
  if (!decoded) {
    return Unexpected(decoded.error().WithContext(fmt::format("kubeconfig: {}-data", field)));
  }
  *pem = std::move(*decoded);
  return {};
}

Status ReadCluster(const Json& cluster, ClientConfig& config) {
  config.server = cluster["server"].AsString();
  if (config.server.empty()) {
    return Fail(Code::kInvalidArgument, "the kubeconfig's cluster has no server");
  }
  KINGLET_RETURN_IF_ERROR(
      ReadPem(cluster, "certificate-authority", &config.http.ca_pem, &config.http.ca_file));
  config.http.insecure_skip_verify = cluster["insecure-skip-tls-verify"].AsBool();
  config.http.tls_server_name = cluster["tls-server-name"].AsString();
  config.http.proxy_url = cluster["proxy-url"].AsString();
  return {};
}

Result<ExecCredentialPlugin> ReadExec(const Json& exec) {
  ExecCredentialPlugin plugin;
  plugin.api_version = exec["apiVersion"].AsString();
  plugin.command = exec["command"].AsString();
  plugin.install_hint = exec["installHint"].AsString();
  plugin.provide_cluster_info = exec["provideClusterInfo"].AsBool();
  if (plugin.command.empty()) {
    return Fail(Code::kInvalidArgument, "the kubeconfig's exec plugin has no command");
  }
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    return Fail(Code::kInvalidArgument,
                "the kubeconfig's exec plugin {} has apiVersion \"{}\": v1 and v1beta1 of "
                "client.authentication.k8s.io are supported",
                plugin.command, plugin.api_version);
  }
  for (const Json& arg : exec["args"].AsArray()) plugin.args.push_back(arg.AsString());
  for (const Json& env : exec["env"].AsArray()) {
    plugin.env.emplace_back(env["name"].AsString(), env["value"].AsString());
  }
  return plugin;
}

Status ReadUser(const Json& user, ClientConfig& config) {
  KINGLET_RETURN_IF_ERROR(
      ReadPem(user, "client-certificate", &config.http.cert_pem, &config.http.cert_file));
  KINGLET_RETURN_IF_ERROR(ReadPem(user, "client-key", &config.http.key_pem, &config.http.key_file));
  config.bearer_token = user["token"].AsString();
  config.token_file = user["tokenFile"].AsString();
  config.username = user["username"].AsString();
  config.password = user["password"].AsString();
  config.impersonate_user = user["as"].AsString();
  for (const Json& group : user["as-groups"].AsArray()) {
    config.impersonate_groups.push_back(group.AsString());
  }
  if (user["exec"].IsObject()) {
    KINGLET_TRY(config.exec, ReadExec(user["exec"]));
  } else if (user["auth-provider"].IsObject()) {
    return Fail(Code::kUnimplemented,
                "the kubeconfig's user has an auth-provider, which Kubernetes removed in 1.26: use "
                "the provider's exec plugin");
  }
  return {};
}

std::vector<std::string> SplitPaths(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t colon = std::min(text.find(':'), text.size());
    if (colon) out.emplace_back(text.substr(0, colon));
    text.remove_prefix(std::min(colon + 1, text.size()));
  }
  return out;
}

Result<ClientConfig> FromFiles(const std::vector<std::string>& paths,
                               const ConfigOptions& options) {
  KINGLET_TRY(Json kubeconfig, LoadKubeconfigFiles(paths));
  return ConfigFromKubeconfig(kubeconfig, options.context);
}

Result<ClientConfig> FindConfig(const ConfigOptions& options) {
  if (!options.kubeconfig.empty()) {
    // Said by name: a missing file is an error of its own.
    KINGLET_RETURN_IF_ERROR(ReadFile(options.kubeconfig, kMaxFile));
    return FromFiles({options.kubeconfig}, options);
  }
  if (auto paths = SplitPaths(Environment("KUBECONFIG")); !paths.empty()) {
    return FromFiles(paths, options);
  }
  if (!Environment("KUBERNETES_SERVICE_HOST").empty() && options.context.empty()) {
    if (auto config = InClusterConfig()) return config;
  }
  std::string home = Environment("HOME");
  std::string path = (fs::path(home) / ".kube" / "config").string();
  if (!home.empty() && fs::exists(path)) return FromFiles({path}, options);
  if (!options.server.empty()) return ClientConfig();
  return Fail(Code::kNotFound,
              "no Kubernetes configuration: give --kubeconfig, set KUBECONFIG, or create {}", path);
}

}  // namespace

void ConfigOptions::AddTo(Flags& flags) {
  flags.Add("kubeconfig", &kubeconfig, "kubeconfig file");
  flags.Add("context", &context, "context of the kubeconfig to use");
  flags.Add("namespace", &ns, "namespace");
  flags.Alias('n', "namespace");
  flags.Add("server", &server, "address of the API server");
}

Result<Json> LoadKubeconfigFiles(const std::vector<std::string>& paths) {
  Json merged;
  for (const std::string& path : paths) {
    auto text = ReadFile(path, kMaxFile);
    if (!text) {
      if (text.error().code() == Code::kNotFound) continue;
      return Unexpected(text.error());
    }
    auto config = ParseYaml(*text);
    if (!config) return Unexpected(config.error().WithContext(path));
    if (config->IsNull()) *config = Json::MakeObject();
    if (!config->IsObject()) {
      return Fail(Code::kInvalidArgument, "{}: not a kubeconfig", path);
    }
    KINGLET_RETURN_IF_ERROR(CheckPrograms(path, *config));
    ResolvePaths(*config, fs::absolute(path).parent_path());
    if (merged.IsNull()) merged = Json::MakeObject();
    MergeInto(merged, *config);
  }
  if (merged.IsNull()) {
    return Fail(Code::kNotFound, "no kubeconfig file at {}", fmt::join(paths, ", "));
  }
  return merged;
}

Result<ClientConfig> ConfigFromKubeconfig(const Json& kubeconfig, std::string_view context) {
  std::string name(context.empty() ? kubeconfig["current-context"].AsString() : context);
  if (name.empty()) {
    return Fail(
        Code::kNotFound,
        "the kubeconfig has no current-context: set one with kubectl config use-context, or "
        "give --context");
  }
  KINGLET_TRY(const Json* chosen, FindNamed(kubeconfig, "contexts", "context", name));
  ClientConfig config;
  KINGLET_TRY(const Json* cluster,
              FindNamed(kubeconfig, "clusters", "cluster", (*chosen)["cluster"].AsString()));
  KINGLET_RETURN_IF_ERROR(ReadCluster(*cluster, config));
  if (const std::string& user_name = (*chosen)["user"].AsString(); !user_name.empty()) {
    KINGLET_TRY(const Json* user, FindNamed(kubeconfig, "users", "user", user_name));
    KINGLET_RETURN_IF_ERROR(ReadUser(*user, config));
  }
  if (const std::string& ns = (*chosen)["namespace"].AsString(); !ns.empty()) {
    config.default_namespace = ns;
  }
  return config;
}

Result<ClientConfig> InClusterConfig(const std::string& service_account_dir) {
  std::string host = Environment("KUBERNETES_SERVICE_HOST");
  std::string port = Environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return Fail(
        Code::kNotFound,
        "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  ClientConfig config;
  config.token_file = service_account_dir + "/token";
  KINGLET_RETURN_IF_ERROR(ReadFile(config.token_file, kMaxFile));
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  config.server = "https://" + host + ":" + port;
  config.http.ca_file = service_account_dir + "/ca.crt";
  // A cluster-internal address never goes through a proxy meant for the outside.
  config.http.use_environment_proxy = false;
  if (auto ns = ReadFile(service_account_dir + "/namespace", kMaxFile); ns && !ns->empty()) {
    config.default_namespace = *ns;
  }
  return config;
}

Result<ClientConfig> LoadConfig(const ConfigOptions& options) {
  KINGLET_TRY(ClientConfig config, FindConfig(options));
  if (!options.server.empty()) config.server = options.server;
  if (!options.ns.empty()) config.default_namespace = options.ns;
  return config;
}

}  // namespace kinglet::kube
