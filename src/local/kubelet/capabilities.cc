#include "local/kubelet/capabilities.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace kinglet::kubelet {
namespace {

// Runs the probe; empty when all went well, else why not.
std::string Try(const std::filesystem::path& program, const char* option,
                std::string argument = "") {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "cannot make a pipe";
  Fd reader(ends[0]), writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  std::string path = program.string();
  char* argv[] = {path.data(), const_cast<char*>(option),
                  argument.empty() ? nullptr : argument.data(), nullptr};
  pid_t pid = 0;
  int failed = posix_spawn(&pid, path.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  writer.Reset();
  if (failed) return ErrnoError("cannot run " + path, failed).message();
  std::string text;
  char buffer[1024];
  for (;;) {
    ssize_t count = read(reader.get(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? fmt::format("kinglet-pod {} failed", option) : text;
}

// Whom pods are on this machine, in words.
Capabilities::Note UserNote(const Capabilities& found, const HostIds& asked) {
  const bool root = geteuid() == 0;
  if (!root) {
    return {"Pods have the rights of the user who runs kinglet, within what they see.", ""};
  }
  if (found.host_ids.shared < 0) {
    std::string why = found.isolation == Isolation::kHost ? "they run on the host"
                      : asked.shared < 0                  ? "no other users are mapped here"
                                                          : "it may not become another user";
    return {fmt::format("Pods run as root of this machine, because kinglet is root and {}: whoever "
                        "may create pods may do everything here.",
                        why),
            "run kinglet up as an ordinary user", true};
  }
  if (found.host_ids.per_pod) {
    return {fmt::format("Each pod is an unprivileged user of its own on this machine, from {} on.",
                        found.host_ids.shared + 1),
            ""};
  }
  return {fmt::format("All pods are the unprivileged user {} on this machine, because the data "
                      "folder's file system or the map of users here does not allow one for each.",
                      found.host_ids.shared),
          "Linux 5.12 or newer, and the data folder on ext4, xfs, btrfs or tmpfs"};
}

}  // namespace

std::string_view IsolationName(Isolation isolation) {
  return isolation == Isolation::kNamespaces ? "namespaces" : "host";
}

Json Capabilities::ToJson() const {
  Json lines = Json::MakeArray({});
  for (const Note& note : notes) {
    lines.Push(Json::MakeObject({{"what", note.what}, {"next", note.next}}));
  }
  return Json::MakeObject({{"isolation", IsolationName(isolation)},
                           {"podNetwork", pod_network},
                           {"resourceLimits", resource_limits},
                           {"notes", std::move(lines)}});
}

Capabilities ProbeCapabilities(const std::filesystem::path& bin_dir, IsolationChoice choice,
                               const HostIds& host_ids) {
  Capabilities found;
  const std::filesystem::path program = bin_dir / "kinglet-pod";
  constexpr std::string_view kOnHost =
      "Pods run on the host with a loopback address of their own and rewritten paths";
  if (choice == IsolationChoice::kHost) {
    found.notes.push_back(
        {fmt::format("{}, as asked for.", kOnHost), "start kinglet up without --isolation=host"});
  } else if (host_ids.shared >= 0 &&
             Try(program, "--probe", std::to_string(host_ids.shared)).empty()) {
    found.isolation = Isolation::kNamespaces;
    found.host_ids = host_ids;
  } else if (std::string why = Try(program, "--probe"); why.empty()) {
    found.isolation = Isolation::kNamespaces;
  } else {
    found.notes.push_back(
        {fmt::format("{}, because {}.", kOnHost, why),
         "allow unprivileged user namespaces (sysctl user.max_user_namespaces=10000, "
         "kernel.apparmor_restrict_unprivileged_userns=0; in Docker --security-opt "
         "seccomp=unconfined)"});
  }
  if (found.isolation == Isolation::kNamespaces) {
    found.notes.push_back(
        {"Pods run in user, mount, network, pid, ipc and uts namespaces of their own.", ""});
  }
  found.notes.push_back(UserNote(found, host_ids));
  if (std::string why = Try(program, "--probe-network"); why.empty()) {
    found.pod_network = true;
    found.notes.push_back(
        {"Pods reach each other, services by their cluster names and other machines (TCP).", ""});
  } else {
    found.notes.push_back(
        {fmt::format("Cluster names of services do not work inside pods, and a pod's own network "
                     "has no way out, because {}.",
                     why),
         "Linux 5.6 or newer, and in Docker --cap-add SYS_PTRACE or --security-opt "
         "seccomp=unconfined; hostNetwork: true gives a pod the host's network"});
  }
  found.notes.push_back(
      {"resources.limits are not enforced: pods share this machine's memory and CPU.",
       "limits on all pods together: systemd-run --scope -p MemoryMax=8G -p CPUQuota=200% kinglet "
       "up"});
  return found;
}

std::filesystem::path ExecutableDir() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace kinglet::kubelet
