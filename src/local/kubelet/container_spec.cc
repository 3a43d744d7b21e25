// From a container of the pod's spec to the process that runs it.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "kube/object.h"
#include "local/kubelet/container_runner.h"
#include "local/kubelet/host_path.h"
#include "local/kubelet/pod/open.h"
#include "local/kubelet/pod_security.h"
#include "local/kubelet/volumes.h"

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kDefaultUid = 1000;  // what KServe's images run as

int64_t SecurityInt(const Json& pod, const Json& container, std::string_view key,
                    int64_t fallback) {
  const Json& own = container["securityContext"][key];
  const Json& shared = pod["spec"]["securityContext"][key];
  return own.IsInt() ? own.AsInt() : shared.IsInt() ? shared.AsInt() : fallback;
}

// The paths of file:// URIs among the words of a program that downloads models: it sees these of
// the host, and read-only. What does not exist is for the program to say.
Status AddLocalSources(const std::vector<std::string>& words, const fs::path& data_dir,
                       std::vector<pod::Mount>& mounts) {
  constexpr std::string_view kFile = "file://";
  for (const std::string& word : words) {
    if (!word.starts_with(kFile)) continue;
    const fs::path path = fs::path(word.substr(kFile.size())).lexically_normal();
    std::error_code error;
    if (!path.is_absolute() || !fs::exists(path, error)) continue;
    auto leads = CheckHostPath(path, data_dir);
    if (!leads) return Unexpected(leads.error());
    mounts.push_back({.source = leads->string(), .target = path.string(), .read_only = true});
  }
  return {};
}

bool LiesIn(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

// Variables from which the dynamic linker and libraries load code, or learn where to.
bool LoadsCode(std::string_view name) {
  static constexpr std::string_view kPrefixes[] = {"LD_",       "GCONV_PATH",  "GLIBC_TUNABLES",
                                                   "OPENSSL_",  "KRB5_CONFIG", "GSS_MECH_CONFIG",
                                                   "SASL_PATH", "P11_KIT_"};
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// Below /etc, certificates are all that a volume may bring.
bool HoldsPrograms(const fs::path& target, const std::vector<std::string>& host_paths) {
  static constexpr const char* kSystem[] = {"/bin",   "/dev",  "/lib", "/lib32",
                                            "/lib64", "/sbin", "/usr"};
  auto overlaps = [&](const fs::path& folder) {
    return LiesIn(target, folder) || LiesIn(folder, target);
  };
  if (LiesIn(target, "/etc")) {
    return !LiesIn(target, "/etc/ssl") || target == "/etc/ssl" ||
           LiesIn(target, "/etc/ssl/openssl.cnf");
  }
  return std::any_of(std::begin(kSystem), std::end(kSystem), overlaps) ||
         std::any_of(host_paths.begin(), host_paths.end(), overlaps);
}

// A program that downloads has the host's network, and files of the host that its arguments name.
// That is for this program: no code of the pod may run in its place or inside of it.
Status CheckDownload(const Environment& environment, const std::vector<pod::Mount>& mounts,
                     const std::vector<std::string>& host_paths) {
  for (const auto& [name, value] : environment) {
    if (!LoadsCode(name)) continue;
    return Fail(Code::kPermissionDenied,
                "env {}: a program that downloads models gets no setting that loads code into it",
                name);
  }
  for (const pod::Mount& mount : mounts) {
    if (!HoldsPrograms(mount.target, host_paths)) continue;
    return Fail(Code::kPermissionDenied,
                "mountPath {}: a program that downloads models gets no volume where programs and "
                "their settings are",
                mount.target);
  }
  return {};
}

// Made by the kubelet for a container, and given to its user.
Status MakeContainerFile(const fs::path& path, int64_t owner) {
  std::error_code error;
  fs::remove(path, error);
  Fd made(open(path.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600));
  if (!made || fchmod(made.get(), 0666) != 0) {
    return Unexpected(ErrnoError("cannot make " + path.string(), errno));
  }
  return GiveTree(made.get(), owner);
}

}  // namespace

fs::path ContainerRunner::Folder() const { return pod_.dir() / "containers" / state_.name; }

Result<pod::ContainerSpec> ContainerRunner::MakeSpec(const ResolvedImage& image) {
  const Json& pod_object = pod_.pod();
  const bool sandboxed = pod_.namespaces();
  const fs::path folder = Folder();
  const fs::path tmp = folder / "tmp", root = folder / "root";
  const fs::path termination = folder / "termination-log";
  KINGLET_RETURN_IF_ERROR(CheckContainerSecurity(pod_object, spec_, sandboxed));
  std::error_code error;
  fs::create_directories(tmp, error);
  fs::create_directories(root, error);
  KINGLET_TRY(Fd tmp_folder, pod::OpenCanonical(tmp.string()));
  chmod(tmp.c_str(), 01777);
  KINGLET_RETURN_IF_ERROR(GiveTree(tmp_folder.get(), pod_.host_id()));
  KINGLET_RETURN_IF_ERROR(MakeContainerFile(termination, pod_.host_id()));

  const bool downloads = image.downloads && spec_["command"].empty();
  const bool network_of_host = !pod_.own_network() || downloads;
  Environment defaults = {
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOSTNAME", kube::Name(pod_object)},
      {"HOME", sandboxed ? "/tmp" : tmp.string()},
      // A program that shares the host's network must keep to the pod's address.
      {"KINGLET_HOST", network_of_host ? pod_.ip() : "0.0.0.0"}};
  PodFacts facts = pod_.Facts();
  KINGLET_TRY(Environment environment,
              BuildEnvironment(spec_, facts, pod_.Objects(), std::move(defaults)));
  KINGLET_TRY(std::vector<pod::Mount> mounts, ResolveMounts(spec_, pod_.volumes(), environment));
  std::vector<std::string> host_paths = {pod_.context().bin_dir.string()};
  if (fs::path lib = pod_.context().bin_dir.parent_path() / "lib"; fs::exists(lib, error)) {
    host_paths.push_back(lib.string());
  }
  for (const fs::path& path : pod_.context().extra_host_paths) host_paths.push_back(path.string());
  if (downloads && sandboxed) {
    KINGLET_RETURN_IF_ERROR(CheckDownload(environment, mounts, host_paths));
    host_paths.push_back("/etc/krb5.conf");
  }
  mounts.push_back({.source = termination.string(),
                    .target = spec_["terminationMessagePath"].StringOr("/dev/termination-log")});

  pod::ContainerSpec spec;
  spec.capabilities = AllowedCapabilities(spec_);
  // It is on the host's network, has no use for them, and reads what strangers wrote.
  spec.unix_sockets = !downloads;
  spec.argv = BuildArguments(spec_, image.entrypoint, environment);
  spec.cwd = spec_["workingDir"].AsString();
  if (sandboxed) {
    spec.root_dir = root.string();
    spec.tmp_dir = tmp.string();
    if (downloads) {
      // Names and Kerberos realms are the host's, as its network is.
      spec.hosts_file = fs::exists("/etc/hosts", error) ? "/etc/hosts" : "";
      KINGLET_RETURN_IF_ERROR(AddLocalSources(spec.argv, pod_.context().data_dir, mounts));
    } else {
      spec.hosts_file = (pod_.dir() / "hosts").string();
      if (pod_.has_names()) spec.resolv_file = (pod_.dir() / "resolv.conf").string();
    }
    spec.host_paths = std::move(host_paths);
    spec.mounts = std::move(mounts);
    spec.pod_network = !network_of_host;
    spec.read_only_root = spec_["securityContext"]["readOnlyRootFilesystem"].AsBool();
    spec.uid = SecurityInt(pod_object, spec_, "runAsUser", kDefaultUid);
    spec.gid = SecurityInt(pod_object, spec_, "runAsGroup", spec.uid);
  } else {
    KINGLET_RETURN_IF_ERROR(ResolveSources(mounts));
    for (std::string& word : spec.argv) word = RewritePaths(word, mounts);
    for (auto& [name, value] : environment) value = RewritePaths(value, mounts);
    spec.cwd = spec.cwd.empty() ? tmp.string() : RewritePaths(spec.cwd, mounts);
    environment.try_emplace("TMPDIR", tmp.string());
    environment.try_emplace("KINGLET_TERMINATION_LOG", termination.string());
    spec.mounts = std::move(mounts);  // exec's commands are rewritten by them
  }
  for (const auto& [name, value] : environment) spec.env.push_back(name + "=" + value);
  return spec;
}

}  // namespace kinglet::kubelet
