#include "net/http/connection.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace kinglet::http {

namespace {

constexpr size_t kInitialBuffer = 8 << 10;
constexpr size_t kKeepBuffer = 64 << 10;      // larger ones are given back between requests
constexpr size_t kWaitForBody = 64 << 10;     // bodies up to this are read before the handler runs
constexpr size_t kPipelineBacklog = 1 << 20;  // unsent responses: the next request waits
// What one connection may do before the others of its loop have their turn.
constexpr size_t kTurnBytes = 256 << 10;
constexpr size_t kTurnRequests = 64;
constexpr size_t kMakeRoomAmong = 64;  // so that a full server accepts in constant time
constexpr Duration kLingerTime = std::chrono::seconds(2);

}  // namespace

// Runs the handler and tells the connection when it is done.
struct Connection::HandlerRun {
  struct promise_type {
    Connection& connection;
    explicit promise_type(Connection& c) : connection(c) {}
    HandlerRun get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct Done {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
          self.promise().connection.HandlerDone();
        }
        void await_resume() const noexcept {}
      };
      return Done{};
    }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

ServerLoop::ServerLoop(net::Loop& l) : loop(l) {}
ServerLoop::~ServerLoop() = default;

void ServerLoop::Remove(Connection* connection) {
  size_t i = connection->index_;
  std::swap(connections[i], connections.back());
  connections[i]->index_ = i;
  connections.pop_back();
}

bool ServerLoop::MakeRoom() {
  Connection *idle = nullptr, *slow = nullptr;
  for (size_t i = 0; i < std::min(kMakeRoomAmong, connections.size()); ++i) {
    Connection* each = connections[looked_at++ % connections.size()].get();
    const Connection::Wait wait = each->wait();
    if (wait == Connection::Wait::kNothing) continue;
    Connection*& longest = wait == Connection::Wait::kRequest ? idle : slow;
    if (!longest || each->waiting_since_ < longest->waiting_since_) longest = each;
  }
  if (idle) {
    idle->Close();
  } else if (slow) {
    slow->Cut();
  }
  return idle || slow;
}

Connection::Connection(ServerCore& core, ServerLoop& home, Fd fd, const sockaddr_storage& peer,
                       ConnectionTicket ticket)
    : core_(core),
      home_(home),
      loop_(home.loop.impl()),
      ticket_(std::move(ticket)),
      index_(home.connections.size()),
      peer_(peer),
      fd_(std::move(fd)),
      parser_(HeadParser::Kind::kRequest,
              {core.options.max_header_bytes, core.options.max_headers}) {}

Connection::~Connection() {
  // The handler's frame first: it refers to this exchange.
  if (handler_) std::exchange(handler_, nullptr).destroy();
  loop_.Undefer(this);
  loop_.Disarm(this);
  if (registered_) loop_.Remove(fd_.get(), this);
}

void Connection::Start() {
  if (peer_.ss_family != AF_UNIX) {
    int one = 1;
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  loop_.Add(fd_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this);
  registered_ = true;
  waiting_since_ = loop_.now();
  SetDeadline(loop_.now() + IdleTimeout(core_.options.header_timeout));
  if (core_.options.tls) {
    tls_ = net::TlsSession::Accept(*core_.options.tls, fd_.get());
    if (!tls_) return Close();
    phase_ = Phase::kHandshake;
  }
  Advance();
}

void Connection::BeginDrain() {
  if (phase_ == Phase::kHandshake) return Close();
  if (phase_ == Phase::kHead && !head_parsed_) {
    // A request that lies in the socket already is still answered.
    Run();
    if (phase_ == Phase::kHead && Buffered() == 0) CloseAfterFlush();
  }
}

Connection::Wait Connection::wait() const {
  switch (phase_) {
    case Phase::kHandshake:
    case Phase::kDiscard:
    case Phase::kLinger:
      return Wait::kRequest;
    case Phase::kHead:
      return yielded_ || Backlog() ? Wait::kNothing : Wait::kRequest;
    case Phase::kHandling:
      return !gone_ && (read_waiter_ || write_waiter_) ? Wait::kClient : Wait::kNothing;
    case Phase::kClosing:
    case Phase::kClosed:
      break;
  }
  return Wait::kNothing;
}

void Connection::Cut() {
  if (phase_ == Phase::kClosed) return;
  shutdown(fd_.get(), SHUT_RDWR);
  Failed();
}

void Connection::OnIo(uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & EPOLLOUT) writable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_done_ = true;
  if (events & (EPOLLHUP | EPOLLERR) && phase_ == Phase::kHandling) return Failed();
  if (yielded_) return;  // its next turn comes anyway
  turn_bytes_ = turn_requests_ = 0;
  Advance();
}

// A client that sends faster than it is served would keep the loop to itself: what it sent waits
// until the loop has looked after the others.
void Connection::Yield() {
  yielded_ = true;
  loop_.Defer(this);
}

void Connection::CountRead(size_t bytes) {
  turn_bytes_ += bytes;
  if (turn_bytes_ < kTurnBytes) return;
  readable_ = false;  // until the next turn
  Yield();
}

void Connection::Advance() {
  if (phase_ == Phase::kHandshake) {
    ssize_t result = tls_->Handshake();
    if (result == net::TlsSession::kAgain) return;
    if (result != 1) return Close();
    phase_ = Phase::kHead;
  }
  if (phase_ != Phase::kHandling) return Run();
  if (Backlog()) Flush();
  if (read_waiter_ && readable_) read_waiter_->Complete(true);
  if (write_waiter_ && Backlog() == 0) write_waiter_->Complete(true);
  if (phase_ == Phase::kHandling) CheckGone();
}

// After the peer stopped sending while a handler runs: is the client gone, or has it pipelined
// more?
bool Connection::ClientLeft() const {
  if (gone_) return true;
  if (!peer_done_ || read_waiter_ || !body_done_ || Buffered()) return false;
  char byte;
  return tls_ || recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void Connection::CheckGone() {
  if (stop_ && ClientLeft()) stop_->request_stop();
}

void Connection::OnTimer() {
  if (loop_.now() < deadline_) {
    if (deadline_ != SteadyTime::max()) loop_.Arm(this, deadline_);
    return;
  }
  deadline_ = SteadyTime::max();
  if (phase_ == Phase::kHead && Backlog() == 0 && (Buffered() || head_parsed_)) {
    Refuse(408, "the request did not arrive in time");
    Flush();
    if (phase_ == Phase::kClosing) CloseAfterFlush();
    return;
  }
  if (phase_ == Phase::kHandling) {
    if (Backlog()) Failed();
    return;
  }
  Close();
}

void Connection::OnDeferred() {
  if (phase_ == Phase::kClosed) {
    home_.Remove(this);  // deletes this
    return;
  }
  if (gone_ && phase_ == Phase::kHandling) {
    if (read_waiter_) read_waiter_->Complete(true);
    if (write_waiter_) write_waiter_->Complete(true);
    return;
  }
  if (std::exchange(yielded_, false)) {
    readable_ = true;
    turn_bytes_ = turn_requests_ = 0;
    Advance();
  }
  Flush();
  UpdateDeadline();
}

ssize_t Connection::ReadSocket(char* data, size_t size) {
  if (tls_) {
    ssize_t got = tls_->Read(data, size);
    if (got == net::TlsSession::kAgain) readable_ = false;
    if (got > 0) CountRead(static_cast<size_t>(got));
    return got;
  }
  ssize_t got;
  do {
    got = recv(fd_.get(), data, size, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno != EAGAIN) return net::TlsSession::kFailed;
    readable_ = false;
    return net::TlsSession::kAgain;
  }
  // A short read has emptied the socket, and what comes later is a new edge; not so when the
  // peer's end came with the bytes.
  if (got > 0 && static_cast<size_t>(got) < size && !peer_done_) readable_ = false;
  if (got > 0 && readable_) CountRead(static_cast<size_t>(got));
  return got;
}

// Reads into the buffer, making room first.
ssize_t Connection::ReadInput(size_t at_least) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity_ - end_ < at_least) {
    size_t used = Buffered();
    size_t need =
        std::max({kInitialBuffer, used + at_least, std::min(used * 2, used + kKeepBuffer)});
    if (capacity_ >= need) {
      memmove(in_.get(), in_.get() + begin_, used);
    } else {
      auto larger = std::make_unique_for_overwrite<char[]>(need);
      if (used) memcpy(larger.get(), in_.get() + begin_, used);
      in_ = std::move(larger);
      capacity_ = need;
    }
    begin_ = 0;
    end_ = used;
  }
  ssize_t got = ReadSocket(in_.get() + end_, capacity_ - end_);
  if (got > 0) end_ += static_cast<size_t>(got);
  return got;
}

// Serves what is buffered and readable until something must be waited for.
void Connection::Run() {
  if (running_) return;
  running_ = true;
  while (phase_ == Phase::kHead || phase_ == Phase::kDiscard || phase_ == Phase::kLinger) {
    if (phase_ == Phase::kHead) {
      if (Backlog() > kPipelineBacklog) Flush();
      if (Backlog() > kPipelineBacklog || phase_ != Phase::kHead) break;
      if (Buffered() && HeadReady()) {
        if (turn_requests_++ == kTurnRequests) {
          Yield();
          break;
        }
        Dispatch();
        continue;
      }
      if (phase_ != Phase::kHead) continue;
    } else if (phase_ == Phase::kDiscard) {
      if (DiscardBody()) {
        NextRequest();
        continue;
      }
    } else {
      begin_ = end_ = 0;
    }
    if (!readable_) break;
    size_t want = head_parsed_ && phase_ == Phase::kHead
                      ? parser_.head_size() + parser_.content_length() - Buffered()
                      : 2048;
    ssize_t got = ReadInput(std::max<size_t>(want, 1));
    if (got == net::TlsSession::kAgain) break;
    if (got <= 0) {
      // The end of the stream: what was answered is still sent, a half request is dropped.
      peer_done_ = true;
      linger_ = false;
      close_ = true;
      if (got < 0) {
        Failed();
      } else {
        phase_ = Phase::kClosing;
      }
      break;
    }
  }
  running_ = false;
  Flush();
  if (phase_ == Phase::kClosing) CloseAfterFlush();
  UpdateDeadline();
}

// Whether a request can be handled: its head, and its body when that is small.
bool Connection::HeadReady() {
  if (!head_parsed_) {
    if (head_began_ == SteadyTime{}) head_began_ = loop_.now();
    switch (parser_.Parse(Input())) {
      case HeadParser::State::kIncomplete:
        return false;
      case HeadParser::State::kError:
        Refuse(parser_.error_status(), parser_.error());
        return false;
      case HeadParser::State::kDone:
        head_parsed_ = true;
    }
  }
  if (parser_.framing() != Framing::kLength || parser_.expects_continue()) return true;
  uint64_t length = parser_.content_length();
  return length > kWaitForBody || length > core_.options.max_body_bytes ||
         Buffered() >= parser_.head_size() + length;
}

void Connection::Dispatch() {
  parser_.Rebase(in_.get() + begin_);
  std::string_view target = parser_.target();
  if (target[0] != '/') {  // absolute form, or "*"
    size_t scheme = target.find("://");
    size_t end = scheme == std::string_view::npos ? scheme : target.find_first_of("/?", scheme + 3);
    target = end == std::string_view::npos ? "/" : target.substr(end);
  }
  size_t question = target.find('?');
  path_ = question == 0 ? "/" : target.substr(0, question);
  query_ = question == std::string_view::npos ? "" : target.substr(question + 1);

  begin_ += parser_.head_size();
  phase_ = Phase::kHandling;
  served_ = true;
  body_done_ = parser_.framing() == Framing::kNone;
  body_left_ = parser_.content_length();
  if (body_left_ > core_.options.max_body_bytes) {
    close_ = linger_ = true;
    Send(413, "text/plain", "the request's body is too large\n", nullptr);
    return FinishRequest();
  }
  if (parser_.framing() == Framing::kLength) {
    if (Buffered() >= body_left_) {
      body_view_ = Input().substr(0, body_left_);
      begin_ += body_left_;
      body_left_ = 0;
      body_done_ = true;
    }
  } else if (parser_.framing() == Framing::kChunked && Buffered()) {
    // A malformed body is reported to the handler when it asks for the body.
    if (!TakeBuffered()) body_failed_ = true;
  }
  if (core_.options.guard && RefusedByGuard()) return FinishRequest();
  if (core_.fast && core_.fast(*this)) return FinishRequest();
  if (!core_.handler) return FinishRequest();
  StartHandler();
}

void Connection::Refuse(int status, std::string_view why) {
  if (in_) parser_.Rebase(in_.get() + begin_);
  close_ = linger_ = true;
  Send(status, "text/plain", why, nullptr);
  phase_ = Phase::kClosing;
}

void Connection::StartHandler() {
  // A plain function, so that the coroutine's promise is given the connection alone.
  struct Runner {
    static HandlerRun Call(Connection& connection) {
      co_await connection.core_.handler(connection);
    }
  };
  handler_ = Runner::Call(*this).handle;
  handler_.resume();
}

void Connection::HandlerDone() {
  std::exchange(handler_, nullptr).destroy();
  FinishRequest();
  // Inside Run when the handler never suspended; Run goes on by itself then.
  if (!running_) Run();
}

void Connection::FinishRequest() {
  if (!responded_ && !gone_) Send(500, "text/plain", "the handler gave no answer\n", nullptr);
  bool truncated = responded_ && !ended_;
  if (truncated) {
    // The client must see a broken body, not a short one.
    close_ = true;
    linger_ = false;
  }
  stop_.reset();
  bool discard = !body_done_ && !close_ && !body_failed_;
  if (!body_done_ && !discard) close_ = linger_ = true;
  if (gone_) return Close();
  body_view_ = {};
  phase_ = Phase::kDiscard;
  discarded_ = 0;
  discard_by_ = loop_.now() + IdleTimeout(core_.options.body_idle_timeout);
  if (!discard || DiscardBody()) NextRequest();
}

// Forgets the request; what is buffered behind it comes next.
void Connection::NextRequest() {
  responded_ = ended_ = chunked_out_ = head_only_ = may_be_read_ = false;
  out_left_.reset();
  if (body_.capacity() > kKeepBuffer) {
    body_ = {};
  } else {
    body_.clear();
  }
  some_ = {};
  head_keep_.reset();
  parser_.Reset();
  head_parsed_ = false;
  chunks_.Reset();
  body_left_ = body_seen_ = 0;
  body_done_ = true;
  body_streamed_ = continued_ = body_failed_ = false;
  head_began_ = {};
  waiting_since_ = loop_.now();
  if (Buffered() == 0 && capacity_ > kKeepBuffer) {
    in_.reset();
    capacity_ = begin_ = end_ = 0;
  }
  linger_ |= close_ && Buffered() != 0;
  phase_ = close_ ? Phase::kClosing : Phase::kHead;
}

// Nothing can be written any more. A running handler ends first; its waits end now.
void Connection::Failed() {
  gone_ = close_ = true;
  out_.clear();
  out_begin_ = 0;
  if (!handler_ && phase_ != Phase::kHandling) return Close();
  if (stop_) stop_->request_stop();
  loop_.Defer(this);
}

void Connection::CloseAfterFlush() {
  phase_ = Phase::kClosing;
  if (Backlog()) return;
  if (tls_) tls_->Shutdown();
  if (!linger_ || peer_done_) return Close();
  // Closing with unread input would reset the connection and could take the response with it.
  shutdown(fd_.get(), SHUT_WR);
  phase_ = Phase::kLinger;
  SetDeadline(loop_.now() + kLingerTime);
  if (!running_) Run();
}

void Connection::Close() {
  if (phase_ == Phase::kClosed && !registered_) return;
  phase_ = Phase::kClosed;
  loop_.Disarm(this);
  if (registered_) loop_.Remove(fd_.get(), this);
  registered_ = false;
  fd_.Reset();
  loop_.Defer(this);  // deleted after this batch: callers up the stack still use it
}

void Connection::SetDeadline(SteadyTime when) {
  // A timer that fires too early looks at deadline_ again: pushing it out costs nothing.
  deadline_ = when;
  if (when == SteadyTime::max()) return;
  if (!armed() || when < this->when()) loop_.Arm(this, when);
}

// How long a client may send nothing: less when connections are running out.
Duration Connection::IdleTimeout(Duration configured) const {
  const bool crowded =
      core_.connections.load(std::memory_order_relaxed) > core_.options.max_connections / 4 * 3;
  return crowded ? std::min(configured, core_.options.crowded_timeout) : configured;
}

// By when more of the body must have come.
SteadyTime Connection::BodyDeadline() const {
  const SteadyTime idle = loop_.now() + IdleTimeout(core_.options.body_idle_timeout);
  const Duration whole = core_.options.request_timeout;
  return whole > Duration::zero() ? std::min(idle, head_began_ + whole) : idle;
}

void Connection::UpdateDeadline() {
  if (phase_ == Phase::kClosed) return;
  if (Backlog()) return;  // Flush has set the time by which the client must take more
  switch (phase_) {
    case Phase::kHead:
      if (head_parsed_) {
        SetDeadline(BodyDeadline());
      } else if (Buffered()) {
        SetDeadline(head_began_ + IdleTimeout(core_.options.header_timeout));
      } else if (served_) {
        SetDeadline(loop_.now() + IdleTimeout(core_.options.keep_alive_timeout));
      }
      break;
    case Phase::kDiscard:
      // In all: the answer is given already, and the rest of the body is not read by anyone.
      SetDeadline(
          std::min(discard_by_, loop_.now() + IdleTimeout(core_.options.body_idle_timeout)));
      break;
    case Phase::kHandling:
      SetDeadline(SteadyTime::max());
      break;
    default:
      break;
  }
}

std::stop_token Connection::stop() const {
  if (!stop_) {
    stop_.emplace();
    if (ClientLeft()) stop_->request_stop();
  }
  return stop_->get_token();
}

}  // namespace kinglet::http
