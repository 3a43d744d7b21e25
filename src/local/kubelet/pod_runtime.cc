#include "local/kubelet/pod_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/log.h"
#include "kube/object.h"
#include "local/kubelet/pod_security.h"
#include "local/kubelet/probes.h"
#include "local/kubelet/remove_tree.h"

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxExecOutput = 10 << 10;

}  // namespace

PodRuntime::PodRuntime(Context& context, Json pod, Post post)
    : context_(context),
      pod_(std::move(pod)),
      post_(std::move(post)),
      dir_(context.PodDir(kube::Uid(pod_))) {
  namespaces_ = context_.capabilities.isolation == Isolation::kNamespaces;
  own_network_ = namespaces_ && !pod_["spec"]["hostNetwork"].AsBool();
}

PodRuntime::~PodRuntime() {
  TearDown();
  if (!ip_.empty()) context_.addresses.Release(ip_);
}

PodFacts PodRuntime::Facts() const {
  return {.pod = &pod_,
          .pod_ip = ip_,
          .host_ip = context_.host_ip,
          .node_name = context_.node_name,
          .node_cpu_milli = context_.node_cpu_milli,
          .node_memory = context_.node_memory};
}

ObjectSource PodRuntime::Objects() const {
  return [this](const kube::ResourceType& type, const std::string& name) {
    return context_.client.Get(type, {type.namespaced ? kube::Namespace(pod_) : "", name});
  };
}

std::vector<int> PodRuntime::Ports() const {
  std::vector<int> ports;
  auto add = [&](int64_t port) {
    if (port > 0 && port < 65536 && std::find(ports.begin(), ports.end(), port) == ports.end()) {
      ports.push_back(static_cast<int>(port));
    }
  };
  for (const char* list : {"initContainers", "containers"}) {
    for (const Json& container : pod_["spec"][list].AsArray()) {
      for (const Json& port : container["ports"].AsArray()) {
        if (port["protocol"].StringOr("TCP") == "TCP") add(port["containerPort"].AsInt());
      }
      // Ports need not be declared: what the container is probed at is a port, too, and model
      // servers listen on 8080 by convention.
      for (const char* probe : {"readinessProbe", "livenessProbe", "startupProbe"}) {
        for (const char* kind : {"httpGet", "tcpSocket"}) {
          const Json& port = container[probe][kind]["port"];
          if (port.IsNull()) continue;
          if (auto number = ResolvePort(port, container)) add(*number);
        }
      }
      if (container["name"].AsString() == "kserve-container" && container["ports"].empty()) {
        add(8080);
      }
    }
  }
  return ports;
}

Status PodRuntime::SetUp(std::function<void(const std::string&, int)> on_exit,
                         std::function<void()> on_lost) {
  KINGLET_RETURN_IF_ERROR(CheckPodSecurity(pod_));
  std::error_code error;
  fs::create_directories(dir_, error);
  if (!error) fs::permissions(dir_, fs::perms::owner_all, error);
  if (error) {
    return Fail(Code::kInternal, "cannot make the folder {}: {}", dir_.string(), error.message());
  }
  if (ip_.empty()) {
    KINGLET_TRY(ip_, context_.addresses.Take(kube::Uid(pod_), pod_["status"]["podIP"].AsString()));
    host_id_ = context_.capabilities.host_ids.OfPod(ip_);
  }
  const std::string hostname = pod_["spec"]["hostname"].StringOr(kube::Name(pod_)).substr(0, 63);
  {
    std::ofstream hosts(dir_ / "hosts", std::ios::trunc);
    hosts << "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
          << ip_ << "\t" << hostname << "\n";
    for (const Json& alias : pod_["spec"]["hostAliases"].AsArray()) {
      for (const Json& name : alias["hostnames"].AsArray()) {
        hosts << alias["ip"].AsString() << "\t" << name.AsString() << "\n";
      }
    }
  }
  // Containers read it as another user.
  chmod((dir_ / "hosts").c_str(), 0644);
  KINGLET_TRY(volumes_,
              PrepareVolumes(Facts(), Objects(),
                             {.pod_dir = dir_,
                              .claims_dir = context_.data_dir / "claims" / kube::Namespace(pod_),
                              .data_dir = context_.data_dir,
                              .pod_id = host_id_}));
  SandboxOptions options;
  options.program = context_.bin_dir / "kinglet-pod";
  options.lock_file = dir_ / "lock";
  options.config = {.namespaces = namespaces_,
                    .own_network = own_network_,
                    .hostname = hostname,
                    .intercept = context_.capabilities.pod_network,
                    .address = ip_,
                    .own_address = !own_network_ && !pod_["spec"]["hostNetwork"].AsBool(),
                    .host_id = host_id_};
  if (options.config.intercept) {
    network_ = std::make_unique<PodNetwork>(context_, kube::Namespace(pod_), ip_);
    KINGLET_TRY(options.config.dns_port, network_->OpenNames());
    options.on_connect = [network = network_.get()](const std::string& ip, int port, bool in_pod) {
      return network->Connect(ip, port, in_pod);
    };
  }
  options.on_exit = [this, on_exit](const std::string& id, int status) {
    if (id.starts_with("exec:")) {
      std::lock_guard lock(execs_mutex_);
      if (auto it = execs_.find(id); it != execs_.end()) it->second = status;
      exec_ended_.notify_all();
      return;
    }
    post_([on_exit, id, status] { on_exit(id, status); });
  };
  options.on_lost = [this, on_lost] { post_([on_lost] { on_lost(); }); };
  KINGLET_TRY(sandbox_,
              Sandbox::Start(std::move(options), Deadline::After(std::chrono::seconds(10))));
  if (!own_network_) {
    context_.addresses.Offer(ip_, Ports());
    return {};
  }
  if (network_) {
    if (auto opened = network_->Open(*sandbox_); !opened) {
      TearDown();
      return opened;
    }
    std::ofstream resolv(dir_ / "resolv.conf", std::ios::trunc);
    resolv << MakeResolvConf(ip_, kube::Namespace(pod_), ReadHostResolvConf());
    chmod((dir_ / "resolv.conf").c_str(), 0644);
  }
  for (int port : Ports()) {
    Status listening = context_.relay.Listen(
        ip_, port, [sandbox = sandbox_.get()] { return sandbox->MakeSocket(); });
    if (!listening) {
      TearDown();
      return listening;
    }
  }
  context_.addresses.Offer(ip_, Ports());
  return {};
}

void PodRuntime::TearDown() {
  if (!sandbox_) return;
  context_.addresses.Offer(ip_, std::vector<int>());
  if (own_network_) context_.relay.Close(ip_);
  sandbox_.reset();
  network_.reset();
}

void PodRuntime::RemoveFolder() { RemovePodFolder(dir_); }

void RemovePodFolder(const fs::path& dir) {
  if (auto removed = RemoveTree(dir); !removed) {
    LogWarning(
        "cannot remove the folder of a pod that is gone; the next start of kinglet tries again",
        {{"folder", dir.string()}, {"error", removed.error().message()}});
  }
}

Result<std::pair<int, std::string>> PodRuntime::Exec(const pod::ContainerSpec& spec,
                                                     Duration timeout, std::stop_token stop) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Unexpected(ErrnoError("pipe", errno));
  Fd reader(ends[0]), writer(ends[1]);
  std::string id;
  {
    std::lock_guard lock(execs_mutex_);
    id = fmt::format("exec:{}", ++last_exec_);
    execs_[id] = std::nullopt;
  }
  auto forget = [&] {
    std::lock_guard lock(execs_mutex_);
    execs_.erase(id);
  };
  if (auto started = sandbox_->StartContainer(id, spec, writer.get(), writer.get()); !started) {
    forget();
    return Unexpected(started.error());
  }
  writer.Reset();
  Deadline deadline = Deadline::After(timeout);
  std::string output;
  bool open = true;
  while (open && !deadline.Expired() && !stop.stop_requested()) {
    pollfd wait{reader.get(), POLLIN, 0};
    if (poll(&wait, 1, 20) <= 0) continue;
    char buffer[4096];
    ssize_t count = read(reader.get(), buffer, sizeof(buffer));
    if (count <= 0) open = false;
    if (count > 0 && output.size() < kMaxExecOutput) {
      output.append(buffer, std::min<size_t>(static_cast<size_t>(count), kMaxExecOutput));
    }
  }
  std::unique_lock lock(execs_mutex_);
  if (!exec_ended_.wait_until(lock, stop, deadline.at(), [&] { return execs_[id].has_value(); })) {
    execs_.erase(id);
    lock.unlock();
    sandbox_->Signal(id, SIGKILL);
    return Fail(Code::kDeadlineExceeded, "command timed out");
  }
  int status = *execs_[id];
  execs_.erase(id);
  return std::pair(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), output);
}

}  // namespace kinglet::kubelet
