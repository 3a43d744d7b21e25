// The inside of Loop, for net/ itself: descriptors with callbacks, timers, deferred calls and the
// suspended coroutine (Waiter) that all awaitables are made of. Loop thread only, except Post.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <coroutine>
#include <ctime>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "net/loop.h"

namespace kinglet::net::internal {

// Told about readiness of a descriptor it registered with Loop::Impl::Add.
class IoHandler {
 public:
  virtual void OnIo(uint32_t epoll_events) = 0;

 protected:
  ~IoHandler() = default;
};

// A node of the loop's timer heap.
class TimerNode {
 public:
  virtual void OnTimer() = 0;
  bool armed() const { return index_ != kNone; }
  SteadyTime when() const { return when_; }

 protected:
  ~TimerNode() = default;

 private:
  friend struct Loop::Impl;
  friend struct ::kinglet::net::Loop::Impl;
  static constexpr size_t kNone = SIZE_MAX;
  SteadyTime when_{};
  size_t index_ = kNone;
};

// Called once after the current batch of events (see Loop::Impl::Defer).
class DeferNode {
 public:
  virtual void OnDeferred() = 0;
  bool deferred() const { return deferred_; }

 protected:
  ~DeferNode() = default;

 private:
  friend struct ::kinglet::net::Loop::Impl;
  bool deferred_ = false;
};

}  // namespace kinglet::net::internal

namespace kinglet::net {

namespace internal {
struct SpawnedBase {
  SpawnedBase* prev = nullptr;
  SpawnedBase* next = nullptr;
  std::coroutine_handle<> self;
};
class Waiter;
}  // namespace internal

struct Loop::Impl {
  explicit Impl(Loop& owner);
  ~Impl();

  // Descriptors. Remove also drops events of this batch that were not delivered yet, so that a
  // handler may be destroyed after it.
  void Add(int fd, uint32_t events, internal::IoHandler* handler);
  void Modify(int fd, uint32_t events, internal::IoHandler* handler);
  void Remove(int fd, internal::IoHandler* handler);

  // Timers. Arm replaces the earlier time.
  void Arm(internal::TimerNode* node, SteadyTime when);
  void Disarm(internal::TimerNode* node);

  // Once, after the current batch; a no-op when it is waiting already. Undefer takes it back.
  void Defer(internal::DeferNode* node);
  void Undefer(internal::DeferNode* node);

  void Post(std::move_only_function<void()> f);
  // From another thread: runs f on the loop and waits; runs it here when the loop does not run.
  void RunAndWait(const std::function<void()>& f);
  void Run();

  // The time when this batch began; cheap.
  SteadyTime now() const { return now_; }
  // "Sun, 06 Nov 1994 08:49:37 GMT" of the current second.
  std::string_view HttpDate();

  // Waiters that a stop token may end; looked up by number because the stop may come from another
  // thread after the waiter is gone.
  uint64_t RegisterStoppable(internal::Waiter* waiter);
  void Unregister(uint64_t id) { stoppable_.erase(id); }
  void StopWaiter(uint64_t id);

  // Waits for readiness of descriptors that have no handler of their own.
  struct FdEntry;
  void WatchFd(int fd, bool write, internal::Waiter* waiter);
  void UnwatchFd(int fd, bool write, internal::Waiter* waiter);
  void UpdateFd(int fd);

  void Swap(size_t a, size_t b);
  void SiftUp(size_t i);
  void SiftDown(size_t i);
  void FireTimers();
  void RunMailbox();
  int WaitMilliseconds();

  Loop& owner;
  Fd epoll;
  Fd wake;
  std::atomic<std::thread::id> thread{};
  std::atomic<bool> stopping{false};

  std::mutex mailbox_mutex;
  std::vector<std::move_only_function<void()>> mailbox;  // under mailbox_mutex
  bool running = false;                                  // under mailbox_mutex
  bool woken = false;                                    // under mailbox_mutex
  std::vector<std::move_only_function<void()>> taken;

  std::array<epoll_event, 256> events;
  int event_count = 0, event_index = 0;

  std::vector<internal::TimerNode*> heap;
  std::vector<internal::DeferNode*> deferred, deferred_running;
  std::unordered_map<uint64_t, internal::Waiter*> stoppable_;
  uint64_t next_stoppable = 1;
  std::unordered_map<int, std::unique_ptr<FdEntry>> fds;
  internal::SpawnedBase spawned;  // list head

  SteadyTime now_;
  time_t date_second = -1;
  char date_text[32];
  size_t date_size = 0;
};

namespace internal {

// A coroutine suspended until Complete, the deadline or the stop token. Lives in the coroutine's
// frame as an awaiter; its destructor takes it out of everything, so frames may be destroyed while
// suspended. co_await gives true after Complete(true), false on deadline and stop.
class Waiter : public TimerNode {
 public:
  Waiter(Loop::Impl& loop, Deadline deadline, std::stop_token stop, bool timer_result = false)
      : loop_(loop), deadline_(deadline), stop_(std::move(stop)), timer_result_(timer_result) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() { Unlink(); }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  bool await_resume() const noexcept { return result_; }

  // Resumes; from the top level of the loop only (never from inside another coroutine). The waiter
  // may be gone afterwards.
  void Complete(bool result);
  void OnTimer() override { Complete(timer_result_); }

 protected:
  // Hooks for what it waits on.
  virtual void OnLink() {}
  virtual void OnUnlink() {}
  Loop::Impl& loop_;

 private:
  struct RequestStop {
    Loop::Impl* loop;
    uint64_t id;
    void operator()() const;
  };
  void Unlink();

  Deadline deadline_;
  std::stop_token stop_;
  std::optional<std::stop_callback<RequestStop>> callback_;
  uint64_t stop_id_ = 0;
  std::coroutine_handle<> handle_;
  bool linked_ = false, result_ = false, timer_result_;
};

// Waiter that clears a pointer to itself when it ends: the other side completes it through the slot.
class SlotWaiter final : public Waiter {
 public:
  SlotWaiter(Waiter** slot, Loop::Impl& loop, Deadline deadline, std::stop_token stop = {})
      : Waiter(loop, deadline, std::move(stop)), slot_(slot) {}
  ~SlotWaiter() override {
    if (*slot_ == this) *slot_ = nullptr;
  }

 private:
  void OnLink() override { *slot_ = this; }
  void OnUnlink() override {
    if (*slot_ == this) *slot_ = nullptr;
  }
  Waiter** slot_;
};

}  // namespace internal
}  // namespace kinglet::net
