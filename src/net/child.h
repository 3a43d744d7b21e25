// A task that runs beside the one that owns it, on the same loop: for doing two things at once with
// a clear owner.
//
//   Child upload(Upload(...));          // starts at once
//   ... co_await other work ...
//   co_await upload.Join();             // or let the destructor cut it where it is suspended
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

#include "net/task.h"

namespace kinglet::net {

class Child {
 public:
  explicit Child(Task<void> task) : run_(Start(std::move(task))) { run_.handle.resume(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { run_.handle.destroy(); }

  bool done() const { return run_.handle.done(); }
  // Awaits the end; one awaiter.
  auto Join() {
    struct Awaiter {
      Child& child;
      bool await_ready() const noexcept { return child.done(); }
      void await_suspend(std::coroutine_handle<> awaiting) noexcept {
        child.run_.handle.promise().continuation = awaiting;
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

 private:
  struct Run {
    struct promise_type {
      std::coroutine_handle<> continuation;
      Run get_return_object() {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always initial_suspend() const noexcept { return {}; }
      internal::FinalAwaiter final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
  };
  static Run Start(Task<void> task) { co_await std::move(task); }
  Run run_;
};

}  // namespace kinglet::net
