#include "local/kubelet/pod/protocol.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace kinglet::kubelet::pod {
namespace {

constexpr size_t kMaxFds = 128;

Json Strings(const std::vector<std::string>& values) {
  Json array = Json::MakeArray({});
  for (const std::string& value : values) array.Push(value);
  return array;
}

std::vector<std::string> ToStrings(const Json& array) {
  std::vector<std::string> values;
  for (const Json& item : array.AsArray()) values.push_back(item.AsString());
  return values;
}

}  // namespace

Json PodConfig::ToJson() const {
  return Json::MakeObject({{"namespaces", namespaces},
                           {"ownNetwork", own_network},
                           {"hostname", hostname},
                           {"intercept", intercept},
                           {"address", address},
                           {"ownAddress", own_address},
                           {"dnsPort", dns_port},
                           {"hostId", host_id}});
}

PodConfig PodConfig::FromJson(const Json& json) {
  return {.namespaces = json["namespaces"].AsBool(),
          .own_network = json["ownNetwork"].AsBool(),
          .hostname = json["hostname"].AsString(),
          .intercept = json["intercept"].AsBool(),
          .address = json["address"].AsString(),
          .own_address = json["ownAddress"].AsBool(),
          .dns_port = static_cast<int>(json["dnsPort"].AsInt()),
          .host_id = json["hostId"].AsInt(-1)};
}

Json ContainerSpec::ToJson() const {
  Json mount_list = Json::MakeArray({});
  for (const Mount& mount : mounts) {
    mount_list.Push(Json::MakeObject({{"source", mount.source},
                                      {"target", mount.target},
                                      {"readOnly", mount.read_only},
                                      {"sub", mount.sub},
                                      {"makeSub", mount.make_sub},
                                      {"tree", mount.tree}}));
  }
  return Json::MakeObject({{"argv", Strings(argv)},
                           {"env", Strings(env)},
                           {"cwd", cwd},
                           {"rootDir", root_dir},
                           {"hostPaths", Strings(host_paths)},
                           {"mounts", std::move(mount_list)},
                           {"hostsFile", hosts_file},
                           {"resolvFile", resolv_file},
                           {"tmpDir", tmp_dir},
                           {"readOnlyRoot", read_only_root},
                           {"podNetwork", pod_network},
                           {"uid", uid},
                           {"gid", gid},
                           {"capabilities", static_cast<int64_t>(capabilities)},
                           {"unixSockets", unix_sockets},
                           {"join", join}});
}

ContainerSpec ContainerSpec::FromJson(const Json& json) {
  ContainerSpec spec;
  spec.argv = ToStrings(json["argv"]);
  spec.env = ToStrings(json["env"]);
  spec.cwd = json["cwd"].AsString();
  spec.root_dir = json["rootDir"].AsString();
  spec.host_paths = ToStrings(json["hostPaths"]);
  for (const Json& mount : json["mounts"].AsArray()) {
    spec.mounts.push_back({.source = mount["source"].AsString(),
                           .target = mount["target"].AsString(),
                           .read_only = mount["readOnly"].AsBool(),
                           .sub = mount["sub"].AsString(),
                           .make_sub = mount["makeSub"].AsBool(),
                           .tree = static_cast<int>(mount["tree"].AsInt(-1))});
  }
  spec.hosts_file = json["hostsFile"].AsString();
  spec.resolv_file = json["resolvFile"].AsString();
  spec.tmp_dir = json["tmpDir"].AsString();
  spec.read_only_root = json["readOnlyRoot"].AsBool();
  spec.pod_network = json["podNetwork"].AsBool();
  spec.uid = json["uid"].AsInt(1000);
  spec.gid = json["gid"].AsInt(1000);
  spec.capabilities = static_cast<uint64_t>(json["capabilities"].AsInt());
  spec.unix_sockets = json["unixSockets"].AsBool();
  spec.join = json["join"].AsString();
  return spec;
}

Status SendPacket(int socket, std::string_view text, const std::vector<int>& fds) {
  KINGLET_CHECK(fds.size() <= kMaxFds);
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    return Fail(Code::kUnavailable, "cannot reach the pod's process: {}", std::strerror(errno));
  }
  return {};
}

Result<Packet> ReceivePacket(int socket) {
  Packet packet;
  packet.text.resize(kMaxPacket);
  iovec part{packet.text.data(), packet.text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    return Fail(Code::kUnavailable, "cannot hear the peer: {}", std::strerror(errno));
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      packet.fds.emplace_back(fd);
    }
  }
  if (received == 0) return Fail(Code::kUnavailable, "the peer has gone");
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    return Fail(Code::kInvalidArgument, "a packet of more than {} bytes", kMaxPacket);
  }
  packet.text.resize(static_cast<size_t>(received));
  return packet;
}

Result<Fd> MakeMemoryFile(std::string_view bytes) {
  Fd fd(memfd_create("kinglet", MFD_CLOEXEC));
  if (!fd) return Unexpected(ErrnoError("memfd_create", errno));
  while (!bytes.empty()) {
    ssize_t written = write(fd.get(), bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return Unexpected(ErrnoError("writing a memory file", errno));
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fd;
}

Result<std::string> ReadMemoryFile(int fd, size_t limit) {
  std::string bytes;
  char buffer[16 << 10];
  for (;;) {
    ssize_t count = pread(fd, buffer, sizeof(buffer), static_cast<off_t>(bytes.size()));
    if (count < 0) {
      if (errno == EINTR) continue;
      return Unexpected(ErrnoError("reading a memory file", errno));
    }
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(count));
    if (bytes.size() > limit) {
      return Fail(Code::kResourceExhausted, "a message of more than {} bytes", limit);
    }
  }
}

}  // namespace kinglet::kubelet::pod
