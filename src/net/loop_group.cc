// Event and LoopGroup.
#include <pthread.h>

#include <latch>
#include <thread>

#include "net/loop.h"
#include "net/loop_impl.h"

namespace kinglet::net {

struct Event::State {
  explicit State(Loop& l) : loop(l) {}
  Loop& loop;
  std::atomic<bool> raised{false};
  internal::Waiter* waiter = nullptr;  // loop thread
};

Event::Event(Loop& loop) : state_(std::make_shared<State>(loop)) {}
Event::~Event() = default;

void Event::Raise() {
  if (state_->raised.exchange(true)) return;
  state_->loop.Post([state = state_] {
    if (state->waiter && state->raised) state->waiter->Complete(true);
  });
}

void Event::Reset() { state_->raised = false; }

Task<bool> Event::Wait(Deadline deadline, std::stop_token stop) {
  if (state_->raised) co_return true;
  KINGLET_CHECK(state_->waiter == nullptr);
  auto state = state_;
  co_return co_await internal::SlotWaiter(&state->waiter, state->loop.impl(), deadline,
                                          std::move(stop));
}

struct LoopGroup::Impl {
  std::vector<std::unique_ptr<Loop>> loops;
  std::vector<std::thread> threads;
  std::atomic<size_t> next{0};
};

LoopGroup::LoopGroup(size_t threads) : impl_(std::make_unique<Impl>()) {
  for (size_t i = 0; i < std::max<size_t>(threads, 1); ++i) {
    impl_->loops.push_back(std::make_unique<Loop>());
  }
}

LoopGroup::~LoopGroup() {
  Stop();
  Join();
}

void LoopGroup::Start() {
  if (!impl_->threads.empty()) return;
  for (auto& loop : impl_->loops) {
    impl_->threads.emplace_back([&loop, i = impl_->threads.size()] {
      pthread_setname_np(pthread_self(), fmt::format("loop-{}", i).c_str());
      loop->Run();
    });
  }
  // Returns when all run: what is called across threads then knows where it runs.
  std::latch running(static_cast<ptrdiff_t>(size()));
  for (auto& loop : impl_->loops) loop->Post([&] { running.count_down(); });
  running.wait();
}

void LoopGroup::Stop() {
  if (impl_->threads.empty()) return;
  for (auto& loop : impl_->loops) loop->Stop();
}

void LoopGroup::Join() {
  for (auto& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

size_t LoopGroup::size() const { return impl_->loops.size(); }
Loop& LoopGroup::at(size_t i) { return *impl_->loops.at(i); }
Loop& LoopGroup::Next() { return at(impl_->next.fetch_add(1) % size()); }

}  // namespace kinglet::net
