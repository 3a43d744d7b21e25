// An event loop: one thread, one epoll, timers, and a mailbox for other threads. Everything that
// awaits on a loop runs on its thread to completion; nothing on it may block.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "net/task.h"

namespace kinglet::net {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until Stop. Returns after pending mailbox functions ran.
  void Run();
  // From any thread.
  void Stop();
  // From any thread: runs f on the loop, in order of posting.
  void Post(std::move_only_function<void()> f);
  // Starts a task that nobody awaits. On the loop's thread (use Post from elsewhere). Tasks still
  // suspended when the loop is destroyed are destroyed with it.
  void Spawn(Task<void> task);
  bool OnLoopThread() const;
  // The loop running on this thread, or null.
  static Loop* Current();

  // Awaitables. They resume with false when the deadline passed or `stop` was requested, with true
  // otherwise. To be awaited on the loop's thread only.
  Task<bool> Readable(int fd, Deadline deadline, std::stop_token stop = {});
  Task<bool> Writable(int fd, Deadline deadline, std::stop_token stop = {});
  Task<bool> Sleep(Duration duration, std::stop_token stop = {});  // true: slept to the end

  struct Impl;  // for net/ itself
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A flag that coroutines of one loop wait for and any thread raises. Level-triggered: Wait returns at
// once while raised; Reset lowers it. Must outlive its waiters.
class Event {
 public:
  explicit Event(Loop& loop);
  ~Event();
  void Raise();  // any thread
  void Reset();  // loop thread
  // True when raised; false on deadline or stop. One waiter at a time.
  Task<bool> Wait(Deadline deadline, std::stop_token stop = {});

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// N loops on N threads.
class LoopGroup {
 public:
  explicit LoopGroup(size_t threads);  // at least 1
  ~LoopGroup();                        // Stop and join
  void Start();
  void Stop();
  void Join();
  size_t size() const;
  Loop& at(size_t i);
  Loop& Next();  // round robin, any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A named bounded pool for work that blocks (disk, SQLite, downloads, long computations).
class Pool {
 public:
  Pool(std::string name, size_t threads, size_t queue_limit);
  ~Pool();  // finishes what runs, drops what waits
  // False when the queue is full.
  bool TryPost(std::move_only_function<void()> f);
  // Runs f on the pool and resumes on the current loop with its value; kUnavailable when full.
  // f must not outlive what it refers to: the awaiting coroutine is not destroyed meanwhile.
  template <class F, class T = std::invoke_result_t<F>>
  Task<Result<T>> Run(F f);

 private:
  Task<bool> RunErased(std::move_only_function<void()> f);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <class F, class T>
Task<Result<T>> Pool::Run(F f) {
  std::optional<T> value;
  bool ran = co_await RunErased([&] { value.emplace(f()); });
  if (!ran) {
    co_return Fail(Code::kUnavailable, "the server is busy: try again later");
  }
  co_return std::move(*value);
}

}  // namespace kinglet::net
