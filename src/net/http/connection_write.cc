// The response: head, whole or streamed bodies.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "net/http/connection.h"

namespace kinglet::http {

namespace {

constexpr size_t kCopyLimit = 32 << 10;      // larger pieces go to the socket without a copy
constexpr size_t kKeepOutput = 1 << 20;      // larger buffers are given back
constexpr size_t kStreamBacklog = 64 << 10;  // unsent bytes of a stream before Write waits

void AppendNumber(std::string& out, uint64_t value, int base = 10) {
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, value, base).ptr;
  out.append(text, static_cast<size_t>(end - text));
}

// A handler must not be able to split the response: control characters become spaces.
void AppendClean(std::string& out, std::string_view text) {
  size_t from = out.size();
  out.append(text);
  for (size_t i = from; i < out.size(); ++i) {
    auto c = static_cast<unsigned char>(out[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7f) out[i] = ' ';
  }
}

void AppendStatusLine(std::string& out, int status) {
  switch (status) {
    case 200:
      out.append("HTTP/1.1 200 OK\r\n");
      return;
    case 404:
      out.append("HTTP/1.1 404 Not Found\r\n");
      return;
    default:
      out.append("HTTP/1.1 ");
      AppendNumber(out, static_cast<uint64_t>(std::clamp(status, 100, 999)));
      out.append(" ").append(ReasonPhrase(status)).append("\r\n");
  }
}

bool BodylessStatus(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

void Connection::WriteHead(int status, const Headers* headers, std::string_view content_type,
                           std::optional<uint64_t> length) {
  responded_ = true;
  head_only_ = parser_.method() == "HEAD" || BodylessStatus(status);
  // A client that still waits for 100 would send its body as the next request.
  if (parser_.expects_continue() && !continued_ && !body_done_) close_ = true;
  if (!parser_.keep_alive() || core_.draining.load(std::memory_order_relaxed)) close_ = true;

  std::string& out = out_;
  AppendStatusLine(out, status);
  bool date = false;
  if (headers) {
    for (auto& [name, value] : headers->fields()) {
      if (EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "transfer-encoding")) {
        continue;
      }
      if (EqualsIgnoreCase(name, "connection")) {
        close_ |= ListHasToken(value, "close");
        continue;
      }
      if (!content_type.empty() && EqualsIgnoreCase(name, "content-type")) continue;
      if (may_be_read_ && EqualsIgnoreCase(name, "access-control-allow-origin")) continue;
      date |= EqualsIgnoreCase(name, "date");
      AppendClean(out, name);
      out.append(": ");
      AppendClean(out, value);
      out.append("\r\n");
    }
  }
  if (may_be_read_) {
    out.append("Access-Control-Allow-Origin: ");
    AppendClean(out, parser_.Get("origin"));
    out.append("\r\nVary: Origin\r\n");
  }
  if (!date) out.append("Date: ").append(loop_.HttpDate()).append("\r\n");
  out.append(core_.server_line);
  if (!content_type.empty()) {
    out.append("Content-Type: ");
    AppendClean(out, content_type);
    out.append("\r\n");
  }
  if (!BodylessStatus(status)) {
    if (length) {
      out.append("Content-Length: ");
      AppendNumber(out, *length);
      out.append("\r\n");
    } else if (parser_.minor_version() == 1) {
      out.append("Transfer-Encoding: chunked\r\n");
      chunked_out_ = !head_only_;
    } else {
      close_ = true;
    }
  }
  if (close_) {
    out.append("Connection: close\r\n\r\n");
  } else if (parser_.minor_version() == 0) {
    out.append("Connection: keep-alive\r\n\r\n");
  } else {
    out.append("\r\n");
  }
}

// Queues bytes; large ones are offered to the socket first.
void Connection::Queue(std::string_view bytes) {
  if (gone_) return;
  if (bytes.size() > kCopyLimit) {
    Flush();
    while (Backlog() == 0 && writable_ && !bytes.empty() && !gone_) {
      ssize_t put = WriteSocket(bytes.data(), bytes.size());
      if (put == net::TlsSession::kFailed) return Failed();
      if (put < 0) break;
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    if (gone_) return;
  }
  out_.append(bytes);
}

void Connection::Flush() {
  if (gone_ || phase_ == Phase::kClosed) return;
  bool progress = false;
  while (out_begin_ < out_.size() && writable_) {
    ssize_t put = WriteSocket(out_.data() + out_begin_, out_.size() - out_begin_);
    if (put == net::TlsSession::kFailed) return Failed();
    if (put < 0) break;
    out_begin_ += static_cast<size_t>(put);
    progress = true;
  }
  if (Backlog()) {
    // The time to take more runs from the last bytes the client took.
    if (progress || !stalled_) SetDeadline(loop_.now() + core_.options.write_timeout);
    stalled_ = true;
    return;
  }
  stalled_ = false;
  out_begin_ = 0;
  if (out_.capacity() > kKeepOutput) {
    out_ = {};
  } else {
    out_.clear();
  }
}

ssize_t Connection::WriteSocket(const char* data, size_t size) {
  if (tls_) {
    ssize_t put = tls_->Write(data, size);
    if (put == net::TlsSession::kAgain) writable_ = false;
    return put;
  }
  ssize_t put;
  do {
    put = send(fd_.get(), data, size, MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  if (put >= 0) return put;
  if (errno != EAGAIN) return net::TlsSession::kFailed;
  writable_ = false;
  return net::TlsSession::kAgain;
}

void Connection::Send(int status, std::string_view content_type, std::string_view body,
                      const Headers* extra) {
  KINGLET_CHECK(!responded_);
  WriteHead(status, extra, content_type, body.size());
  ended_ = true;
  if (!head_only_) Queue(body);
}

void Connection::SendHead(int status, const Headers& headers) {
  KINGLET_CHECK(!responded_);
  std::string_view length = headers.Get("content-length");
  if (!length.empty()) {
    uint64_t value = 0;
    auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), value);
    if (error == std::errc() && end == length.data() + length.size()) out_left_ = value;
  }
  WriteHead(status, &headers, {}, out_left_);
  // Sent after this batch, together with the first piece when that comes at once.
  loop_.Defer(this);
}

net::Task<Status> Connection::Write(std::string_view bytes) {
  KINGLET_CHECK(responded_ && !ended_);
  if (gone_) co_return Fail(Code::kCancelled, "the client is gone");
  if (bytes.empty() || head_only_) co_return Status{};
  if (chunked_out_) {
    AppendNumber(out_, bytes.size(), 16);
    out_.append("\r\n");
    Queue(bytes);
    if (!gone_) out_.append("\r\n");
  } else {
    if (out_left_) {
      if (bytes.size() > *out_left_) {
        co_return Fail(Code::kInternal, "the body is longer than its Content-Length");
      }
      *out_left_ -= bytes.size();
    }
    Queue(bytes);
  }
  Flush();
  while (!gone_ && Backlog() > kStreamBacklog) {
    if (!co_await net::internal::SlotWaiter(&write_waiter_, loop_,
                                            Deadline::After(core_.options.write_timeout)) &&
        !gone_) {
      Failed();
      co_return Fail(Code::kDeadlineExceeded, "the client does not read the response");
    }
  }
  if (gone_) co_return Fail(Code::kCancelled, "the client is gone");
  co_return Status{};
}

net::Task<Status> Connection::End() {
  KINGLET_CHECK(responded_);
  if (gone_) co_return Fail(Code::kCancelled, "the client is gone");
  if (ended_) co_return Status{};
  if (out_left_ && *out_left_ != 0 && !head_only_) {
    // Left unended: the connection is closed, so that the client sees a cut body.
    co_return Fail(Code::kInternal, "the body is shorter than its Content-Length");
  }
  ended_ = true;
  if (chunked_out_) out_.append("0\r\n\r\n");
  Flush();
  co_return Status{};
}

}  // namespace kinglet::http
