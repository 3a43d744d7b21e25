// What this machine's kernel lets pods have. Probed by trying, not by reading settings: the
// settings that matter differ by distribution (user.max_user_namespaces, AppArmor, seccomp of a
// surrounding container).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "local/kubelet/host_ids.h"

namespace kinglet::kubelet {

enum class Isolation {
  kHost,        // processes on the host, an own loopback address, rewritten paths
  kNamespaces,  // user, mount, network, pid, ipc and uts namespaces of their own
};

enum class IsolationChoice { kAutomatic, kHost, kNamespaces };

// "host", "namespaces".
std::string_view IsolationName(Isolation isolation);

struct Capabilities {
  Isolation isolation = Isolation::kHost;
  // One a question, in words: what holds, and what would have to change for more ("" when all is
  // there).
  struct Note {
    std::string what, next;
    bool warning = false;  // pods threaten the machine: also said when kinglet starts
  };
  std::vector<Note> notes;
  // Whom the pods are on this machine.
  HostIds host_ids;
  // Whether names and addresses of Services hold inside pods, and pods with a network of their own
  // have a way out of it.
  bool pod_network = false;
  // Whether limits on memory and CPU are enforced. Never in this version; the note says so.
  bool resource_limits = false;

  Json ToJson() const;
};

// Runs `<bin_dir>/kinglet-pod --probe`, which makes the namespaces and a root, becomes one of
// `host_ids` and leaves again. Takes a few milliseconds. Thread-safe.
Capabilities ProbeCapabilities(const std::filesystem::path& bin_dir, IsolationChoice choice,
                               const HostIds& host_ids = {});

// The folder of the running executable.
std::filesystem::path ExecutableDir();

}  // namespace kinglet::kubelet
