#include "local/kubelet/dial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kinglet::kubelet {
namespace {

constexpr size_t kMaxAnswer = 16 << 10;

// Looks at `stop` now and then: a probe must not hold up the end of its pod.
Status WaitFor(int fd, short events, Deadline deadline, std::stop_token stop) {
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.Remaining()).count();
    if (stop.stop_requested()) return Fail(Code::kCancelled, "the probe was called off");
    if (left <= 0) return Fail(Code::kDeadlineExceeded, "i/o timeout");
    pollfd wait{fd, events, 0};
    int ready = poll(&wait, 1, static_cast<int>(std::min<int64_t>(left, 20)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return Unexpected(ErrnoError("poll", errno));
  }
}

}  // namespace

Result<Fd> MakeHostSocket(int type) {
  Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!fd) return Unexpected(ErrnoError("socket", errno));
  return fd;
}

Status Connect(int socket, const std::string& ipv4, int port, Deadline deadline,
               std::stop_token stop) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, ipv4.c_str(), &address.sin_addr) != 1) {
    return Fail(Code::kInvalidArgument, "{} is not an IPv4 address", ipv4);
  }
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
  int error = 0;
  if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      KINGLET_RETURN_IF_ERROR(WaitFor(socket, POLLOUT, deadline, stop));
      socklen_t size = sizeof(error);
      getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  if (error == ECONNREFUSED) return Fail(Code::kUnavailable, "connect: connection refused");
  if (error) return Unexpected(ErrnoError("connect", error));
  return {};
}

Result<int> HttpGetStatus(int socket, const std::string& host, const Action& action,
                          Deadline deadline, std::stop_token stop) {
  // Whoever writes a path that ends the line writes the rest of the request, and the next one.
  if (std::any_of(action.path.begin(), action.path.end(),
                  [](unsigned char c) { return c <= ' ' || c == 0x7F; })) {
    return Fail(Code::kInvalidArgument, "a probe's path has a space or control character in it");
  }
  std::string request = fmt::format("GET {} HTTP/1.1\r\n", action.path);
  bool has_host = false, has_agent = false;
  for (const auto& [name, value] : action.headers) {
    if (name.find_first_of("\r\n:") != name.npos || value.find_first_of("\r\n") != value.npos) {
      return Fail(Code::kInvalidArgument, "a probe's header has a line break in it");
    }
    has_host |= strcasecmp(name.c_str(), "host") == 0;
    has_agent |= strcasecmp(name.c_str(), "user-agent") == 0;
    request += fmt::format("{}: {}\r\n", name, value);
  }
  if (!has_host) request += fmt::format("Host: {}:{}\r\n", host, action.port);
  if (!has_agent) request += "User-Agent: kube-probe/kinglet\r\n";
  request += "Accept: */*\r\nConnection: close\r\n\r\n";
  for (std::string_view left = request; !left.empty();) {
    ssize_t sent = send(socket, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      left.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      KINGLET_RETURN_IF_ERROR(WaitFor(socket, POLLOUT, deadline, stop));
    } else if (errno != EINTR) {
      return Unexpected(ErrnoError("write", errno));
    }
  }
  std::string answer;
  // A line may end with a bare LF (RFC 9112, 2.2).
  while (answer.find('\n') == answer.npos && answer.size() < kMaxAnswer) {
    char buffer[1024];
    ssize_t count = recv(socket, buffer, sizeof(buffer), 0);
    if (count > 0) {
      answer.append(buffer, static_cast<size_t>(count));
    } else if (count == 0) {
      return Fail(Code::kUnavailable, "EOF");
    } else if (errno == EAGAIN) {
      KINGLET_RETURN_IF_ERROR(WaitFor(socket, POLLIN, deadline, stop));
    } else if (errno != EINTR) {
      return Unexpected(ErrnoError("read", errno));
    }
  }
  // "HTTP/1.1 200 OK"
  if (!answer.starts_with("HTTP/1.") || answer.size() < 12 || answer[8] != ' ') {
    return Fail(Code::kInvalidArgument, "malformed HTTP response");
  }
  int status = 0;
  for (size_t i = 9; i < 12; ++i) {
    if (answer[i] < '0' || answer[i] > '9') {
      return Fail(Code::kInvalidArgument, "malformed HTTP status code");
    }
    status = status * 10 + (answer[i] - '0');
  }
  return status;
}

}  // namespace kinglet::kubelet
