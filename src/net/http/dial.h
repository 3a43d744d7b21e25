// Waiting and connecting for a blocking client, for net/http itself.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "net/http/client.h"

namespace kinglet::http {

// How long to wait for the next bytes, and who may end that.
struct Patience {
  Deadline deadline = Deadline::Never();
  Duration stall = Duration::zero();  // no byte for so long; zero: no limit
  std::stop_token stop;
};

// Ends the waits of another thread.
class Waker {
 public:
  static Result<Waker> Make();
  void Wake() const;
  void Calm() const;  // forgets wakes of before
  int fd() const { return fd_.get(); }

 private:
  explicit Waker(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// Until `fd` has one of poll's `events` (or an error). `since`: when the last byte came.
// kDeadlineExceeded; kCancelled where the waker was woken and the stop token asks for it.
Status Await(int fd, short events, const Waker& waker, const Patience& patience, SteadyTime since);

// A connected, non-blocking TCP (or UNIX) socket. Addresses are tried in the resolver's order, each
// with its share of what is left of `patience`. kUnavailable, kPermissionDenied (allow_address).
Result<Fd> Dial(const std::string& host, int port, const ClientOptions& options, const Waker& waker,
                const Patience& patience);

}  // namespace kinglet::http
