// A connected stream socket on a loop: reads and writes that suspend. One reader and one writer at
// a time. Loop thread only; destroy on the loop (or when it does not run).
#pragma once

#include <sys/socket.h>

#include <memory>
#include <stop_token>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/loop_impl.h"
#include "net/task.h"

namespace kinglet::net {

class Socket final : private internal::IoHandler {
 public:
  // kUnavailable when the peer refuses or cannot be reached, kDeadlineExceeded, kCancelled.
  static Task<Result<std::unique_ptr<Socket>>> Connect(Loop& loop, const sockaddr_storage& address,
                                                       socklen_t size, Deadline deadline,
                                                       std::stop_token stop);
  ~Socket();

  // Some bytes; 0 at the end of the stream.
  Task<Result<size_t>> Read(char* data, size_t size, Deadline deadline, std::stop_token stop);
  // All of them.
  Task<Status> Write(std::string_view bytes, Deadline deadline, std::stop_token stop);
  // Ends both directions at once; reads and writes fail from here on.
  void Cut() { shutdown(fd_.get(), SHUT_RDWR); }
  // Whether an idle connection can still be used: open, and nothing unexpected to read.
  bool Idle() const;

 private:
  Socket(Loop& loop, Fd fd);
  void OnIo(uint32_t events) override;
  Unexpected WaitFailed(Deadline deadline) const;

  Loop::Impl& loop_;
  Fd fd_;
  bool readable_ = true, writable_ = true, peer_done_ = false;
  size_t turn_bytes_ = 0;  // read since the loop last had its turn
  internal::Waiter* read_waiter_ = nullptr;
  internal::Waiter* write_waiter_ = nullptr;
};

}  // namespace kinglet::net
