#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "net/loop.h"
#include "net/loop_impl.h"

namespace kinglet::net {

struct Pool::Impl {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::move_only_function<void()>> queue;
  bool stopping = false;
  size_t limit;
  std::vector<std::thread> threads;

  void Work() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stopping || !queue.empty(); });
      if (stopping) return;
      auto f = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      f();
      f = nullptr;
      lock.lock();
    }
  }
};

Pool::Pool(std::string name, size_t threads, size_t queue_limit) : impl_(std::make_unique<Impl>()) {
  impl_->limit = std::max<size_t>(queue_limit, 1);
  for (size_t i = 0; i < std::max<size_t>(threads, 1); ++i) {
    impl_->threads.emplace_back([this, title = name.substr(0, 15)] {
      pthread_setname_np(pthread_self(), title.c_str());
      impl_->Work();
    });
  }
}

Pool::~Pool() {
  std::deque<std::move_only_function<void()>> dropped;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    dropped.swap(impl_->queue);
    impl_->changed.notify_all();
  }
  for (auto& thread : impl_->threads) thread.join();
}

bool Pool::TryPost(std::move_only_function<void()> f) {
  std::lock_guard lock(impl_->mutex);
  if (impl_->stopping || impl_->queue.size() >= impl_->limit) return false;
  impl_->queue.push_back(std::move(f));
  impl_->changed.notify_one();
  return true;
}

namespace {

// Shared by the pool's job and the awaiting frame, either of which may go first.
struct Job {
  enum class Phase { kQueued, kRunning, kDone, kAbandoned };
  std::mutex mutex;
  std::condition_variable changed;
  Phase phase = Phase::kQueued;
  internal::Waiter* waiter = nullptr;  // loop thread
};

// Marks the job as dropped when the pool ends before it ran, so that nobody waits for ever.
struct JobRun {
  std::shared_ptr<Job> job;
  Loop* loop;
  std::move_only_function<void()> f;
  bool ran = false;

  JobRun(std::shared_ptr<Job> j, Loop* l, std::move_only_function<void()> function)
      : job(std::move(j)), loop(l), f(std::move(function)) {}
  JobRun(JobRun&&) = default;
  ~JobRun() {
    if (job && !ran) Finish(false);
  }
  void operator()() {
    {
      std::lock_guard lock(job->mutex);
      if (job->phase == Job::Phase::kAbandoned) return;
      job->phase = Job::Phase::kRunning;
    }
    f();
    ran = true;
    Finish(true);
  }
  void Finish(bool result) {
    std::lock_guard lock(job->mutex);
    if (job->phase == Job::Phase::kAbandoned) return;
    job->phase = Job::Phase::kDone;
    job->changed.notify_all();
    // Under the lock: the loop outlives a frame that has not abandoned the job.
    loop->Post([job = job, result] {
      if (job->waiter) job->waiter->Complete(result);
    });
  }
};

// In the awaiting frame: when the frame is destroyed, takes the job back or waits for its end,
// because the job's function refers to the frame.
struct Abandon {
  std::shared_ptr<Job> job;
  ~Abandon() {
    std::unique_lock lock(job->mutex);
    job->changed.wait(lock, [&] { return job->phase != Job::Phase::kRunning; });
    job->phase = Job::Phase::kAbandoned;
  }
};

}  // namespace

Task<bool> Pool::RunErased(std::move_only_function<void()> f) {
  Loop* loop = Loop::Current();
  KINGLET_CHECK(loop != nullptr);
  auto job = std::make_shared<Job>();
  Abandon abandon{job};
  // The job may end before the waiter is linked only on another thread; its Post then runs after
  // this frame has suspended, because both happen on the loop's thread.
  auto run = std::make_unique<JobRun>(job, loop, std::move(f));
  if (!TryPost([run = std::move(run)] { (*run)(); })) co_return false;
  co_return co_await internal::SlotWaiter(&job->waiter, loop->impl(), Deadline::Never());
}

}  // namespace kinglet::net
