// From a container of the pod's spec to the process that runs it.
#include <fcntl.h>
#include <sys/stat.h>

#include "kube/object.h"
#include "local/kubelet/container_runner.h"
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

bool SecurityBool(const Json& pod, const Json& container, std::string_view key) {
  const Json& own = container["securityContext"][key];
  return own.IsBool() ? own.AsBool() : pod["spec"]["securityContext"][key].AsBool();
}

}  // namespace

fs::path ContainerRunner::Folder() const { return pod_.dir() / "containers" / state_.name; }

Result<pod::ContainerSpec> ContainerRunner::MakeSpec(const ResolvedImage& image) {
  const Json& pod_object = pod_.pod();
  const bool sandboxed = pod_.namespaces();
  const fs::path folder = Folder();
  const fs::path tmp = folder / "tmp", root = folder / "root";
  const fs::path termination = folder / "termination-log";
  std::error_code error;
  fs::create_directories(tmp, error);
  fs::create_directories(root, error);
  chmod(tmp.c_str(), 01777);
  Fd made(open(termination.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666));
  if (!made) return Unexpected(ErrnoError("cannot make " + termination.string(), errno));

  const bool network_of_host = !pod_.own_network() || image.host_view;
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
  mounts.push_back({termination.string(),
                    spec_["terminationMessagePath"].StringOr("/dev/termination-log"), false});

  pod::ContainerSpec spec;
  spec.argv = BuildArguments(spec_, image.entrypoint, environment);
  spec.cwd = spec_["workingDir"].AsString();
  if (sandboxed) {
    spec.root_dir = root.string();
    spec.host_files = image.host_view;
    spec.tmp_dir = tmp.string();
    if (image.host_view) mounts.push_back({tmp.string(), "/run/kinglet-tmp", false});
    if (image.host_view) environment.try_emplace("TMPDIR", "/run/kinglet-tmp");
    spec.hosts_file = (pod_.dir() / "hosts").string();
    if (pod_.has_names()) spec.resolv_file = (pod_.dir() / "resolv.conf").string();
    spec.host_paths.push_back(pod_.context().bin_dir.string());
    if (fs::path lib = pod_.context().bin_dir.parent_path() / "lib"; fs::exists(lib, error)) {
      spec.host_paths.push_back(lib.string());
    }
    for (const fs::path& path : pod_.context().extra_host_paths) {
      spec.host_paths.push_back(path.string());
    }
    spec.mounts = std::move(mounts);
    spec.pod_network = !network_of_host;
    spec.read_only_root = spec_["securityContext"]["readOnlyRootFilesystem"].AsBool();
    spec.uid = SecurityInt(pod_object, spec_, "runAsUser", kDefaultUid);
    spec.gid = SecurityInt(pod_object, spec_, "runAsGroup", spec.uid);
    if (spec.uid == 0 && SecurityBool(pod_object, spec_, "runAsNonRoot")) {
      return Fail(
          Code::kInvalidArgument,
          "container's runAsUser breaks non-root policy (pod: \"{}_{}({})\", container: {})",
          kube::Name(pod_object), kube::Namespace(pod_object), kube::Uid(pod_object), state_.name);
    }
  } else {
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
