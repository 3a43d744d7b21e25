// Data reachable only under its lock.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace kinglet {

template <class T>
class Guarded {
 public:
  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  class Lock {
   public:
    T& operator*() { return *value_; }
    T* operator->() { return value_; }
    std::unique_lock<std::mutex>& raw() { return lock_; }  // for condition variables

   private:
    friend class Guarded;
    Lock(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  // Held until the Lock dies; keep it a named local and short.
  Lock Acquire() { return Lock(mutex_, value_); }

  // with([](T& value) { return value.size(); })
  template <class F>
  auto With(F&& f) {
    std::lock_guard lock(mutex_);
    return std::forward<F>(f)(value_);
  }
  template <class F>
  auto With(F&& f) const {
    std::lock_guard lock(mutex_);
    return std::forward<F>(f)(static_cast<const T&>(value_));
  }

 private:
  mutable std::mutex mutex_;
  T value_;
};

}  // namespace kinglet
