#include "net/peer_user.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "base/file.h"

namespace kinglet::net {
namespace {

struct End {
  sa_family_t family = AF_UNSPEC;
  in_port_t port = 0;
  uint32_t words[4] = {};  // the address, in network order

  bool IsLoopback() const {
    if (family == AF_INET) return ntohl(words[0]) >> 24 == 127;
    in6_addr address;
    std::memcpy(&address, words, sizeof address);
    return IN6_IS_ADDR_LOOPBACK(&address);
  }
};

// An IPv4 client of a socket that speaks both is an IPv4 end to the kernel.
End EndOf(const sockaddr_storage& address) {
  End end;
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    end.family = AF_INET;
    end.port = v4.sin_port;
    end.words[0] = v4.sin_addr.s_addr;
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    end.family = mapped ? AF_INET : AF_INET6;
    end.port = v6.sin6_port;
    std::memcpy(end.words, v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
  }
  return end;
}

// The owner of the socket whose own end is `from` and whose peer is `to`.
std::optional<uid_t> OwnerOf(const End& from, const End& to) {
  struct {
    nlmsghdr head;
    inet_diag_req_v2 body;
  } request{};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.head.nlmsg_flags = NLM_F_REQUEST;
  request.body.sdiag_family = static_cast<uint8_t>(from.family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = ~0u;
  request.body.id.idiag_sport = from.port;
  request.body.id.idiag_dport = to.port;
  std::memcpy(request.body.id.idiag_src, from.words, sizeof from.words);
  std::memcpy(request.body.id.idiag_dst, to.words, sizeof to.words);
  request.body.id.idiag_cookie[0] = request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  Fd kernel(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!kernel || ::send(kernel.get(), &request, sizeof request, 0) < 0) return std::nullopt;
  alignas(nlmsghdr) char answer[4096];
  const ssize_t size = ::recv(kernel.get(), answer, sizeof answer, MSG_DONTWAIT);
  nlmsghdr head;
  inet_diag_msg found;
  if (size < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof found)) return std::nullopt;
  std::memcpy(&head, answer, sizeof head);
  if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  std::memcpy(&found, answer + NLMSG_HDRLEN, sizeof found);
  return found.idiag_uid;
}

}  // namespace

bool PeerIsAnotherUser(int socket) {
  sockaddr_storage peer{}, local{};
  socklen_t peer_size = sizeof peer, local_size = sizeof local;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&local), &local_size) != 0) {
    return false;
  }
  const End from = EndOf(peer);
  if (from.family == AF_UNSPEC) return false;
  const auto owner = OwnerOf(from, EndOf(local));
  if (!owner) return !from.IsLoopback();
  return *owner != ::geteuid() && *owner != 0;
}

}  // namespace kinglet::net
