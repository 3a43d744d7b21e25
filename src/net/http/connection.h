// One connection of the server: a state machine on its loop, and the Exchange of the request it is
// at. A request whose answer is computed at once costs one read, one write and no allocation; any
// other runs its handler as a coroutine while reading pauses. Loop thread only.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <condition_variable>
#include <coroutine>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "net/http/parser.h"
#include "net/http/server.h"
#include "net/loop_impl.h"
#include "net/tls/session.h"

namespace kinglet::http {

class Connection;

// What all connections of a server share.
struct ServerCore {
  ServerOptions options;
  Handler handler;
  FastHandler fast;
  std::string server_line;  // "Server: x\r\n" or ""
  std::atomic<bool> draining{false};
  std::mutex mutex;
  std::condition_variable ended;  // a connection ended
  std::atomic<size_t> connections{0};
};

// One connection's place in the count, from accept to its end. May outlive the server in the
// mailbox of a loop that was stopped.
class ConnectionTicket {
 public:
  explicit ConnectionTicket(std::shared_ptr<ServerCore> core) : core_(std::move(core)) {
    ++core_->connections;
  }
  ConnectionTicket(ConnectionTicket&&) = default;
  ConnectionTicket& operator=(ConnectionTicket&&) = delete;
  ~ConnectionTicket() {
    if (!core_) return;
    std::lock_guard lock(core_->mutex);
    --core_->connections;
    core_->ended.notify_all();
  }

 private:
  std::shared_ptr<ServerCore> core_;
};

// The connections of one loop.
struct ServerLoop {
  explicit ServerLoop(net::Loop& l);
  ~ServerLoop();
  void Remove(Connection* connection);
  // Ends the connection that has kept the server waiting longest, of some that it looks at: one
  // that is between requests, or not done with sending one; else one whose client is slow to send a
  // body or to read an answer, which is gone as soon as its handler sees it. False if there is
  // none.
  bool MakeRoom();
  net::Loop& loop;
  std::vector<std::unique_ptr<Connection>> connections;
  size_t looked_at = 0;  // where MakeRoom goes on
};

class Connection final : public Exchange,
                         private net::internal::IoHandler,
                         private net::internal::TimerNode,
                         private net::internal::DeferNode {
 public:
  Connection(ServerCore& core, ServerLoop& home, Fd fd, const sockaddr_storage& peer,
             ConnectionTicket ticket);
  ~Connection() override;
  void Start();
  // Ends when idle, otherwise after the request in flight.
  void BeginDrain();
  // Whom the server waits for, apart from its own handlers.
  enum class Wait { kNothing, kRequest, kClient };
  Wait wait() const;
  // Closes now; a handler that still runs sees its stop token and failing reads and writes.
  void Cut();

  std::string_view method() const override { return parser_.method(); }
  std::string_view target() const override { return parser_.target(); }
  std::string_view path() const override { return path_; }
  std::string_view query() const override { return query_; }
  std::string_view Header(std::string_view name) const override { return parser_.Get(name); }
  Headers headers() const override;
  void ForEachHeader(
      const std::function<void(std::string_view, std::string_view)>& visit) const override;
  std::string peer() const override;
  std::string local() const override;
  net::Loop& loop() override { return home_.loop; }
  std::stop_token stop() const override;
  net::Task<Result<std::string_view>> ReadBody(size_t limit) override;
  bool BufferedBody(std::string_view* body) override;
  net::Task<Result<std::string_view>> ReadSome() override;
  void Send(int status, std::string_view content_type, std::string_view body,
            const Headers* extra) override;
  void SendHead(int status, const Headers& headers) override;
  net::Task<Status> Write(std::string_view bytes) override;
  net::Task<Status> End() override;
  bool responded() const override { return responded_; }

 private:
  friend struct ServerLoop;
  struct HandlerRun;
  enum class Phase { kHandshake, kHead, kHandling, kDiscard, kClosing, kLinger, kClosed };

  void OnIo(uint32_t events) override;
  void OnTimer() override;
  void OnDeferred() override;

  // Reading. The buffer holds [begin_, end_).
  size_t Buffered() const { return end_ - begin_; }
  std::string_view Input() const { return {in_.get() + begin_, Buffered()}; }
  ssize_t ReadSocket(char* data, size_t size);
  void CountRead(size_t bytes);
  void Yield();
  ssize_t ReadInput(size_t at_least);
  void Advance();
  void Run();
  bool HeadReady();
  void Dispatch();
  void Refuse(int status, std::string_view why);
  bool RefusedByGuard();
  void StartHandler();
  void HandlerDone();
  void FinishRequest();
  void NextRequest();
  bool DiscardBody();
  bool ClientLeft() const;
  void CheckGone();

  // The body.
  void KeepHead();
  void SendContinue();
  Status TakeBuffered();
  net::Task<Result<bool>> MoreBody();
  Status CountBody(size_t bytes);

  // Writing.
  size_t Backlog() const { return out_.size() - out_begin_; }
  ssize_t WriteSocket(const char* data, size_t size);
  void WriteHead(int status, const Headers* headers, std::string_view content_type,
                 std::optional<uint64_t> length);
  void Queue(std::string_view bytes);
  void Flush();
  void Failed();
  void CloseAfterFlush();
  void Close();
  void SetDeadline(SteadyTime when);
  SteadyTime BodyDeadline() const;
  void UpdateDeadline();
  Duration IdleTimeout(Duration configured) const;

  ServerCore& core_;
  ServerLoop& home_;
  net::Loop::Impl& loop_;
  ConnectionTicket ticket_;
  size_t index_ = 0;  // in home_.connections
  sockaddr_storage peer_;
  Fd fd_;
  std::unique_ptr<net::TlsSession> tls_;
  Phase phase_ = Phase::kHead;

  bool readable_ = true, writable_ = true;
  bool peer_done_ = false;  // sends no more
  bool gone_ = false;       // cannot be written to
  bool close_ = false;      // after this response
  bool linger_ = false;     // unread input may be on its way: closing at once would reset
  bool running_ = false;    // inside Run
  bool registered_ = false;
  bool served_ = false;   // at least one request
  bool stalled_ = false;  // the client does not take what is queued
  bool yielded_ = false;  // there is more to do; other connections are served first
  size_t turn_bytes_ = 0, turn_requests_ = 0;

  std::unique_ptr<char[]> in_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  std::unique_ptr<char[]>
      head_keep_;  // the request's head while the body is read into a new buffer

  HeadParser parser_;
  bool head_parsed_ = false;
  std::string_view path_, query_;
  ChunkDecoder chunks_;
  std::string body_;  // decoded or collected
  std::string some_;  // the piece ReadSome gave
  std::string_view body_view_;
  uint64_t body_left_ = 0;  // of Content-Length, not yet taken from the buffer or the socket
  uint64_t body_seen_ = 0;
  size_t discarded_ = 0;
  bool body_done_ = true, body_streamed_ = false, continued_ = false, body_failed_ = false;

  std::string out_;
  size_t out_begin_ = 0;
  bool responded_ = false, ended_ = false, chunked_out_ = false, head_only_ = false;
  bool may_be_read_ = false;  // by the page of the request's Origin
  std::optional<uint64_t> out_left_;

  net::internal::Waiter* read_waiter_ = nullptr;
  net::internal::Waiter* write_waiter_ = nullptr;
  mutable std::optional<std::stop_source> stop_;
  std::coroutine_handle<> handler_;

  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime head_began_{};
  SteadyTime discard_by_{};
  SteadyTime waiting_since_{};  // the end of the last request
};

}  // namespace kinglet::http
