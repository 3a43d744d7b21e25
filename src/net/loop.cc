#include "net/loop.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>

#include "net/loop_impl.h"

namespace kinglet::net {

using internal::DeferNode;
using internal::IoHandler;
using internal::TimerNode;
using internal::Waiter;

namespace {

thread_local Loop* current_loop = nullptr;

// The frame of a spawned task: linked into its loop, destroys itself at the end.
struct Spawned {
  struct promise_type : internal::SpawnedBase {
    promise_type(Loop::Impl& impl, Task<void>&) {
      self = std::coroutine_handle<promise_type>::from_promise(*this);
      prev = &impl.spawned;
      next = impl.spawned.next;
      if (next) next->prev = this;
      impl.spawned.next = this;
    }
    ~promise_type() {
      prev->next = next;
      if (next) next->prev = prev;
    }
    Spawned get_return_object() { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Spawned RunSpawned(Loop::Impl&, Task<void> task) { co_await std::move(task); }

class FdWaiter final : public Waiter {
 public:
  FdWaiter(Loop::Impl& loop, int fd, bool write, Deadline deadline, std::stop_token stop)
      : Waiter(loop, deadline, std::move(stop)), fd_(fd), write_(write) {}
  ~FdWaiter() override {
    if (watching_) loop_.UnwatchFd(fd_, write_, this);
  }

 private:
  void OnLink() override {
    watching_ = true;
    loop_.WatchFd(fd_, write_, this);
  }
  void OnUnlink() override {
    if (watching_) loop_.UnwatchFd(fd_, write_, this);
    watching_ = false;
  }
  int fd_;
  bool write_;
  bool watching_ = false;
};

}  // namespace

struct Loop::Impl::FdEntry final : IoHandler {
  FdEntry(Impl& i, int f) : impl(i), fd(f) {}
  void OnIo(uint32_t events) override {
    // Resuming the reader may end the entry, or put another one in its place: look again.
    Impl& loop = impl;
    int number = fd;
    bool failed = events & (EPOLLERR | EPOLLHUP);
    if (read && (failed || (events & (EPOLLIN | EPOLLRDHUP)))) read->Complete(true);
    if (!failed && !(events & EPOLLOUT)) return;
    auto it = loop.fds.find(number);
    if (it != loop.fds.end() && it->second->write) it->second->write->Complete(true);
  }
  Impl& impl;
  int fd;
  uint32_t interest = 0;
  Waiter* read = nullptr;
  Waiter* write = nullptr;
};

// ---- Waiter

void Waiter::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  linked_ = true;
  if (!deadline_.IsNever()) loop_.Arm(this, deadline_.at());
  OnLink();
  if (stop_.stop_possible()) {
    stop_id_ = loop_.RegisterStoppable(this);
    callback_.emplace(stop_, RequestStop{&loop_, stop_id_});
  }
}

void Waiter::RequestStop::operator()() const {
  loop->Post([loop = loop, id = id] { loop->StopWaiter(id); });
}

void Waiter::Unlink() {
  if (!linked_) return;
  linked_ = false;
  callback_.reset();
  if (stop_id_) loop_.Unregister(std::exchange(stop_id_, 0));
  loop_.Disarm(this);
  OnUnlink();
}

void Waiter::Complete(bool result) {
  if (!handle_) return;
  Unlink();
  result_ = result;
  std::exchange(handle_, nullptr).resume();
}

// ---- Loop::Impl

Loop::Impl::Impl(Loop& o)
    : owner(o),
      epoll(epoll_create1(EPOLL_CLOEXEC)),
      wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      now_(std::chrono::steady_clock::now()) {
  KINGLET_CHECK(epoll && wake);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  KINGLET_CHECK(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) == 0);
}

Loop::Impl::~Impl() {
  while (spawned.next) spawned.next->self.destroy();
}

void Loop::Impl::Add(int fd, uint32_t interest, IoHandler* handler) {
  epoll_event event{.events = interest, .data = {.ptr = handler}};
  KINGLET_CHECK(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0);
}

void Loop::Impl::Modify(int fd, uint32_t interest, IoHandler* handler) {
  epoll_event event{.events = interest, .data = {.ptr = handler}};
  KINGLET_CHECK(epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Loop::Impl::Remove(int fd, IoHandler* handler) {
  epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (int i = event_index; i < event_count; ++i) {
    if (events[i].data.ptr == handler) {
      events[i].events = 0;
      events[i].data.ptr = nullptr;
    }
  }
}

void Loop::Impl::Swap(size_t a, size_t b) {
  std::swap(heap[a], heap[b]);
  heap[a]->index_ = a;
  heap[b]->index_ = b;
}

void Loop::Impl::SiftUp(size_t i) {
  while (i > 0) {
    size_t parent = (i - 1) / 2;
    if (heap[parent]->when_ <= heap[i]->when_) return;
    Swap(i, parent);
    i = parent;
  }
}

void Loop::Impl::SiftDown(size_t i) {
  while (true) {
    size_t least = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap.size(); ++child) {
      if (heap[child]->when_ < heap[least]->when_) least = child;
    }
    if (least == i) return;
    Swap(i, least);
    i = least;
  }
}

void Loop::Impl::Arm(TimerNode* node, SteadyTime when) {
  node->when_ = when;
  if (node->index_ == TimerNode::kNone) {
    node->index_ = heap.size();
    heap.push_back(node);
  }
  SiftUp(node->index_);
  SiftDown(node->index_);
}

void Loop::Impl::Disarm(TimerNode* node) {
  if (node->index_ == TimerNode::kNone) return;
  size_t i = node->index_;
  size_t last = heap.size() - 1;
  if (i != last) Swap(i, last);
  heap.pop_back();
  node->index_ = TimerNode::kNone;
  if (i != last) {
    SiftUp(i);
    SiftDown(i);
  }
}

void Loop::Impl::Defer(DeferNode* node) {
  if (node->deferred_) return;
  node->deferred_ = true;
  deferred.push_back(node);
}

void Loop::Impl::Undefer(DeferNode* node) {
  if (!node->deferred_) return;
  node->deferred_ = false;
  std::replace(deferred.begin(), deferred.end(), node, static_cast<DeferNode*>(nullptr));
  std::replace(deferred_running.begin(), deferred_running.end(), node,
               static_cast<DeferNode*>(nullptr));
}

void Loop::Impl::Post(std::move_only_function<void()> f) {
  bool signal;
  {
    std::lock_guard lock(mailbox_mutex);
    mailbox.push_back(std::move(f));
    signal = !std::exchange(woken, true);
  }
  if (signal) {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(wake.get(), &one, sizeof one);
  }
}

void Loop::Impl::RunAndWait(const std::function<void()>& f) {
  std::mutex mutex;
  std::condition_variable done_changed;
  bool done = false;  // under mutex
  bool here = true;   // no other thread runs the loop
  {
    std::lock_guard lock(mailbox_mutex);
    if (running && thread.load() != std::this_thread::get_id()) {
      here = false;
      mailbox.push_back([&] {
        f();
        // Notified under the lock: the waiter destroys the condition variable once it sees `done`.
        std::lock_guard inner(mutex);
        done = true;
        done_changed.notify_one();
      });
      woken = true;
      uint64_t one = 1;
      [[maybe_unused]] ssize_t written = write(wake.get(), &one, sizeof one);
    }
  }
  if (here) return f();
  std::unique_lock lock(mutex);
  done_changed.wait(lock, [&] { return done; });
}

void Loop::Impl::RunMailbox() {
  {
    std::lock_guard lock(mailbox_mutex);
    taken.swap(mailbox);
    woken = false;
  }
  for (auto& f : taken) {
    auto call = std::move(f);
    call();
  }
  taken.clear();
}

void Loop::Impl::FireTimers() {
  while (!heap.empty() && heap[0]->when_ <= now_) {
    TimerNode* node = heap[0];
    Disarm(node);
    node->OnTimer();
  }
}

int Loop::Impl::WaitMilliseconds() {
  if (!deferred.empty()) return 0;
  if (heap.empty()) return -1;
  auto wait = heap[0]->when_ - std::chrono::steady_clock::now();
  if (wait <= Duration::zero()) return 0;
  auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return static_cast<int>(std::min<int64_t>(ms, 3'600'000));
}

void Loop::Impl::Run() {
  // OpenSSL writes with write(2): a closed peer must be EPIPE, not a signal.
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
  thread = std::this_thread::get_id();
  Loop* outer = std::exchange(current_loop, &owner);
  {
    std::lock_guard lock(mailbox_mutex);
    running = true;
  }
  while (!stopping) {
    event_count =
        epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), WaitMilliseconds());
    now_ = std::chrono::steady_clock::now();
    bool mail = false;
    for (event_index = 0; event_index < event_count;) {
      epoll_event event = events[event_index++];
      if (event.data.ptr) {
        static_cast<IoHandler*>(event.data.ptr)->OnIo(event.events);
      } else if (event.events) {
        uint64_t count;
        [[maybe_unused]] ssize_t got = read(wake.get(), &count, sizeof count);
        mail = true;
      }
    }
    event_count = 0;
    if (mail) RunMailbox();
    FireTimers();
    deferred_running.swap(deferred);
    for (size_t i = 0; i < deferred_running.size(); ++i) {
      DeferNode* node = deferred_running[i];
      if (!node) continue;
      node->deferred_ = false;
      deferred_running[i] = nullptr;
      node->OnDeferred();
    }
    deferred_running.clear();
  }
  // What was posted before (or while) Stop is run; afterwards RunAndWait calls on its own thread.
  while (true) {
    RunMailbox();
    std::lock_guard lock(mailbox_mutex);
    if (mailbox.empty()) {
      running = false;
      break;
    }
  }
  stopping = false;
  current_loop = outer;
  thread = std::thread::id{};
}

std::string_view Loop::Impl::HttpDate() {
  timespec time;
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  if (time.tv_sec != date_second) {
    date_second = time.tv_sec;
    tm parts;
    gmtime_r(&time.tv_sec, &parts);
    date_size = strftime(date_text, sizeof date_text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return {date_text, date_size};
}

uint64_t Loop::Impl::RegisterStoppable(Waiter* waiter) {
  uint64_t id = next_stoppable++;
  stoppable_.emplace(id, waiter);
  return id;
}

void Loop::Impl::StopWaiter(uint64_t id) {
  if (auto it = stoppable_.find(id); it != stoppable_.end()) it->second->Complete(false);
}

void Loop::Impl::UpdateFd(int fd) {
  auto it = fds.find(fd);
  if (it == fds.end()) return;
  FdEntry& entry = *it->second;
  uint32_t interest = (entry.read ? EPOLLIN | EPOLLRDHUP : 0u) | (entry.write ? EPOLLOUT : 0u);
  if (interest == 0) {
    Remove(fd, &entry);
    fds.erase(it);
    return;
  }
  if (interest == entry.interest) return;
  if (entry.interest == 0) {
    Add(fd, interest, &entry);
  } else {
    Modify(fd, interest, &entry);
  }
  entry.interest = interest;
}

void Loop::Impl::WatchFd(int fd, bool write, Waiter* waiter) {
  auto& entry = fds[fd];
  if (!entry) entry = std::make_unique<FdEntry>(*this, fd);
  Waiter*& slot = write ? entry->write : entry->read;
  KINGLET_CHECK(slot == nullptr);
  slot = waiter;
  UpdateFd(fd);
}

void Loop::Impl::UnwatchFd(int fd, bool write, Waiter* waiter) {
  auto it = fds.find(fd);
  if (it == fds.end()) return;
  Waiter*& slot = write ? it->second->write : it->second->read;
  if (slot != waiter) return;
  slot = nullptr;
  UpdateFd(fd);
}

// ---- Loop

Loop::Loop() : impl_(std::make_unique<Impl>(*this)) {}
Loop::~Loop() = default;
void Loop::Run() { impl_->Run(); }
void Loop::Stop() {
  impl_->Post([this] { impl_->stopping = true; });
}
void Loop::Post(std::move_only_function<void()> f) { impl_->Post(std::move(f)); }
void Loop::Spawn(Task<void> task) { RunSpawned(*impl_, std::move(task)); }
bool Loop::OnLoopThread() const { return impl_->thread.load() == std::this_thread::get_id(); }
Loop* Loop::Current() { return current_loop; }

Task<bool> Loop::Readable(int fd, Deadline deadline, std::stop_token stop) {
  co_return co_await FdWaiter(*impl_, fd, false, deadline, std::move(stop));
}
Task<bool> Loop::Writable(int fd, Deadline deadline, std::stop_token stop) {
  co_return co_await FdWaiter(*impl_, fd, true, deadline, std::move(stop));
}
Task<bool> Loop::Sleep(Duration duration, std::stop_token stop) {
  co_return co_await Waiter(*impl_, Deadline::After(duration), std::move(stop), true);
}

}  // namespace kinglet::net
