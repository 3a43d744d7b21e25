#include "local/kubelet/pod_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "local/kubelet/dial.h"

namespace kinglet::kubelet {
namespace {

// Enough for every service and store a pod talks to; each is one listening socket.
constexpr size_t kMaxDestinations = 1024;

// Binds to address:port and returns the port it got.
Result<int> Bind(int fd, const std::string& ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return Unexpected(ErrnoError(fmt::format("cannot bind to {}:{}", ip, port), errno));
  }
  return ntohs(address.sin_port);
}

}  // namespace

Result<int> PodNetwork::OpenNames() {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return Unexpected(ErrnoError("socket", errno));
  KINGLET_TRY(int port, Bind(fd.get(), ip_, 0));
  context_.names.Serve(std::move(fd), ns_, ip_);
  return port;
}

Status PodNetwork::Open(Sandbox& sandbox) {
  sandbox_ = &sandbox;
  KINGLET_TRY(Fd fd, sandbox.MakeSocket(SOCK_DGRAM));
  KINGLET_TRY(int port, Bind(fd.get(), ip_, 53));
  (void)port;
  context_.names.Serve(std::move(fd), ns_, ip_);
  return {};
}

void PodNetwork::Close() {
  context_.names.Close(ip_);
  context_.relay.Close(ip_);
  std::lock_guard lock(mutex_);
  listeners_.clear();
}

Route PodNetwork::Connect(const std::string& ip, int port, bool in_pod) {
  auto service = context_.services.Pick(ip, port);
  // As kube-proxy rejects it. Any other address of the service range goes nowhere, too.
  if (!service && service.error().code() == Code::kUnavailable) return {.refused = true};
  if (!in_pod) return service ? Route{.ip = service->ip, .port = service->port} : Route{};
  if (!service && !context_.addresses.MayReach(ip, port)) return {.refused = true};
  auto local = ListenInPod(ip, port);
  if (!local) {
    LogWarning("a pod finds no way out",
               {{"pod", ip_}, {"to", ip}, {"port", port}, {"error", local.error().message()}});
    return {.refused = true};
  }
  return {.ip = "127.0.0.1", .port = *local};
}

Result<int> PodNetwork::ListenInPod(const std::string& ip, int port) {
  std::lock_guard lock(mutex_);
  if (auto it = listeners_.find({ip, port}); it != listeners_.end()) return it->second;
  if (listeners_.size() >= kMaxDestinations) {
    return Fail(Code::kResourceExhausted, "a pod may connect to {} addresses", kMaxDestinations);
  }
  KINGLET_TRY(Fd fd, sandbox_->MakeSocket());
  KINGLET_TRY(int local, Bind(fd.get(), "127.0.0.1", 0));
  auto find = [&context = context_, ip, port]() -> Result<Relay::Dial> {
    auto target = context.services.Pick(ip, port);
    if (!target && target.error().code() == Code::kNotFound) {
      target = ClusterServices::Target{.ip = ip, .port = port};
    }
    if (!target) return Unexpected(target.error());
    // Endpoints may name any address, and pods come and go.
    if (!context.addresses.MayReach(target->ip, target->port)) {
      return Fail(Code::kPermissionDenied, "{}:{} is not a port of a pod", target->ip,
                  target->port);
    }
    return DialHost(target->ip, target->port);
  };
  KINGLET_RETURN_IF_ERROR(context_.relay.Serve(std::move(fd), ip_, std::move(find)));
  listeners_[{ip, port}] = local;
  return local;
}

}  // namespace kinglet::kubelet
