#include "net/http/client_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/encoding.h"
#include "net/http/response_reader.h"

namespace kinglet::http {
namespace {

using net::TlsSession;

constexpr size_t kEarlyBytes = 4 << 10;

}  // namespace

std::string ProxyAuthorization(const Uri& proxy) {
  if (proxy.userinfo.empty()) return "";
  auto plain = UrlDecode(proxy.userinfo);
  return "Basic " + Base64Encode(plain ? *plain : proxy.userinfo);
}

Result<std::unique_ptr<ClientConnection>> ClientConnection::Open(const Uri& url,
                                                                 const ClientOptions& options,
                                                                 const std::optional<Uri>& proxy,
                                                                 net::TlsClientContext& tls,
                                                                 const Patience& patience) {
  KINGLET_TRY(Waker waker, Waker::Make());
  std::unique_ptr<ClientConnection> made(new ClientConnection(std::move(waker), options));
  Patience share = patience;
  share.stall = Duration::zero();
  share.deadline = patience.deadline.Min(Deadline::After(options.connect_timeout));
  // Not through `made`, which is moved from while the callback may still run.
  const Waker& woken = made->waker_;
  std::stop_callback wake(patience.stop, [&woken] { woken.Wake(); });
  auto connected = made->Connect(url, proxy, tls, share);
  if (connected) return made;
  Error error = std::move(connected).error();
  if (error.code() == Code::kDeadlineExceeded && !patience.deadline.Expired()) {
    error = Error(Code::kUnavailable, "no connection in time");
  }
  return Unexpected(
      error.WithContext(fmt::format("cannot connect to {}", (proxy ? *proxy : url).Authority())));
}

Status ClientConnection::Connect(const Uri& url, const std::optional<Uri>& proxy,
                                 net::TlsClientContext& tls, const Patience& patience) {
  const bool secure = url.scheme == "https";
  const Uri& first = proxy ? *proxy : url;
  KINGLET_TRY(
      fd_, Dial(first.host, first.PortOr(secure && !proxy ? 443 : 80), options_, waker_, patience));
  if (!secure) return {};
  if (proxy) KINGLET_RETURN_IF_ERROR(Tunnel(url, *proxy, patience));
  return Handshake(url, tls, patience);
}

Status ClientConnection::Tunnel(const Uri& url, const Uri& proxy, const Patience& patience) {
  Uri target = url;
  target.port = url.PortOr(443);
  std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target.Authority());
  if (std::string value = ProxyAuthorization(proxy); !value.empty()) {
    request += fmt::format("Proxy-Authorization: {}\r\n", value);
  }
  request += "\r\n";
  KINGLET_RETURN_IF_ERROR(Write(request, patience));
  ClientResponse response;
  ResponseReader reader("CONNECT", response);
  // A byte at a time: what follows the head is TLS's.
  for (char byte; !reader.has_head();) {
    KINGLET_TRY(size_t got, Read(&byte, 1, patience));
    if (got == 0) return Fail(Code::kUnavailable, "the proxy closed the connection");
    KINGLET_RETURN_IF_ERROR(reader.Next({&byte, 1}));
  }
  if (response.status / 100 == 2) return {};
  return Fail(response.status == 407 ? Code::kPermissionDenied : Code::kUnavailable,
              "the proxy refuses to connect: status {}", response.status);
}

Status ClientConnection::Handshake(const Uri& url, net::TlsClientContext& tls,
                                   const Patience& patience) {
  const std::string& name = options_.tls_server_name.empty() ? url.host : options_.tls_server_name;
  KINGLET_TRY(tls_, tls.Connect(fd_.get(), name));
  while (true) {
    const ssize_t result = tls_->Handshake();
    if (result == 1) return {};
    if (result != TlsSession::kAgain) return Fail(Code::kUnavailable, "{}", tls_->problem());
    KINGLET_RETURN_IF_ERROR(Await(fd_.get(), tls_->WantsWrite() ? POLLOUT : POLLIN, waker_,
                                  patience, std::chrono::steady_clock::now()));
  }
}

ssize_t ClientConnection::TryRead(char* data, size_t size) {
  if (tls_) {
    const ssize_t got = tls_->Read(data, size);
    if (got == TlsSession::kFailed) problem_ = tls_->problem();
    return got;
  }
  ssize_t got;
  do {
    got = recv(fd_.get(), data, size, 0);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) return got;
  if (errno == EAGAIN) return TlsSession::kAgain;
  problem_ = strerror(errno);
  return TlsSession::kFailed;
}

ssize_t ClientConnection::TryWrite(std::string_view bytes) {
  if (tls_) {
    const ssize_t put = tls_->Write(bytes.data(), bytes.size());
    if (put == TlsSession::kFailed) problem_ = tls_->problem();
    return put;
  }
  ssize_t put;
  do {
    put = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  if (put >= 0) return put;
  if (errno == EAGAIN) return TlsSession::kAgain;
  problem_ = strerror(errno);
  return TlsSession::kFailed;
}

Unexpected ClientConnection::Broken() const {
  return Fail(Code::kUnavailable, "the connection broke: {}", problem_);
}

Result<size_t> ClientConnection::Read(char* data, size_t size, const Patience& patience) {
  if (!early_.empty()) {
    const size_t take = std::min(size, early_.size());
    memcpy(data, early_.data(), take);
    early_.erase(0, take);
    return take;
  }
  const SteadyTime begin = std::chrono::steady_clock::now();
  while (true) {
    const ssize_t got = TryRead(data, size);
    if (got >= 0) return static_cast<size_t>(got);
    if (got == TlsSession::kFailed) return Broken();
    const short event = tls_ && tls_->WantsWrite() ? POLLOUT : POLLIN;
    KINGLET_RETURN_IF_ERROR(Await(fd_.get(), event, waker_, patience, begin));
  }
}

Result<bool> ClientConnection::Write(std::string_view bytes, const Patience& patience) {
  const SteadyTime begin = std::chrono::steady_clock::now();
  while (!bytes.empty()) {
    const ssize_t put = TryWrite(bytes);
    if (put > 0) {
      bytes.remove_prefix(static_cast<size_t>(put));
      continue;
    }
    if (put != TlsSession::kAgain) {
      // What it says before it closes may be the reason.
      std::array<char, kEarlyBytes> buffer;
      const std::string problem = problem_;
      if (const ssize_t got = TryRead(buffer.data(), buffer.size()); got > 0) {
        early_.assign(buffer.data(), static_cast<size_t>(got));
        return false;
      }
      problem_ = problem;
      return Broken();
    }
    KINGLET_RETURN_IF_ERROR(Await(fd_.get(), POLLIN | POLLOUT, waker_, patience, begin));
    std::array<char, kEarlyBytes> buffer;
    if (const ssize_t got = TryRead(buffer.data(), buffer.size()); got > 0) {
      early_.assign(buffer.data(), static_cast<size_t>(got));
      return false;
    } else if (got != TlsSession::kAgain) {
      if (got == TlsSession::kEnd) problem_ = "the server closed it";
      return Broken();
    }
  }
  return true;
}

bool ClientConnection::IsIdle() const {
  pollfd polled{fd_.get(), POLLIN, 0};
  return early_.empty() && poll(&polled, 1, 0) == 0;
}

}  // namespace kinglet::http
