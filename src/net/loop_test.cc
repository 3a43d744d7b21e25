#include "net/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <latch>
#include <thread>

#include "net/child.h"
#include "net/loop_impl.h"

namespace kinglet::net {
namespace {

// Runs the task on a loop of its own until it ends.
void RunTask(const std::function<Task<void>(Loop&)>& make) {
  Loop loop;
  loop.Post([&] {
    loop.Spawn([](Loop& l, const std::function<Task<void>(Loop&)>& m) -> Task<void> {
      co_await m(l);
      l.Stop();
    }(loop, make));
  });
  loop.Run();
}

TEST(Loop, SleepsEndInOrderOfTheirTimes) {
  std::string order;
  RunTask([&](Loop& loop) -> Task<void> {
    for (int ms : {30, 10, 20}) {
      loop.Spawn([](Loop& l, int n, std::string& out) -> Task<void> {
        co_await l.Sleep(std::chrono::milliseconds(n));
        out += std::to_string(n) + " ";
      }(loop, ms, order));
    }
    EXPECT_TRUE(co_await loop.Sleep(std::chrono::milliseconds(40)));
  });
  EXPECT_EQ(order, "10 20 30 ");
}

TEST(Loop, ReadinessDeadlineAndStop) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Fd reader(ends[0]), writer(ends[1]);
  RunTask([&](Loop& loop) -> Task<void> {
    EXPECT_TRUE(co_await loop.Writable(writer.get(), Deadline::Never()));
    EXPECT_FALSE(co_await loop.Readable(reader.get(), Deadline::After(std::chrono::milliseconds(1))));
    std::stop_source stop;
    std::jthread stopper([&] { stop.request_stop(); });
    EXPECT_FALSE(co_await loop.Readable(reader.get(), Deadline::Never(), stop.get_token()));
    // Already requested.
    EXPECT_FALSE(co_await loop.Sleep(std::chrono::hours(1), stop.get_token()));
    EXPECT_EQ(write(writer.get(), "x", 1), 1);
    EXPECT_TRUE(co_await loop.Readable(reader.get(), Deadline::Never()));
  });
}

TEST(Loop, PostsRunInOrderFromManyThreads) {
  LoopGroup loops(1);
  loops.Start();
  constexpr int kThreads = 4, kPosts = 1000;
  std::vector<int> last(kThreads, -1);
  std::latch done(kThreads * kPosts);
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loops.at(0).Post([&, t, i] {
          EXPECT_EQ(last[static_cast<size_t>(t)], i - 1);
          last[static_cast<size_t>(t)] = i;
          done.count_down();
        });
      }
    });
  }
  done.wait();
}

TEST(Loop, DestroysSuspendedTasks) {
  auto witness = std::make_shared<int>(1);
  {
    Loop loop;
    loop.Spawn([](Loop& l, std::shared_ptr<int>) -> Task<void> {
      co_await l.Sleep(std::chrono::hours(1));
    }(loop, witness));
    EXPECT_EQ(witness.use_count(), 2);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(Event, RaisedFromAnotherThread) {
  RunTask([](Loop& loop) -> Task<void> {
    Event event(loop);
    EXPECT_FALSE(co_await event.Wait(Deadline::After(std::chrono::milliseconds(1))));
    std::jthread raiser([&] { event.Raise(); });
    EXPECT_TRUE(co_await event.Wait(Deadline::Never()));
    EXPECT_TRUE(co_await event.Wait(Deadline::Never()));
    event.Reset();
    EXPECT_FALSE(co_await event.Wait(Deadline::After(std::chrono::milliseconds(1))));
  });
}

TEST(Pool, RunsAndRefusesWhenFull) {
  Pool pool("test", 1, 1);
  std::latch running(1), release(1);
  ASSERT_TRUE(pool.TryPost([&] {
    running.count_down();
    release.wait();
  }));
  running.wait();
  RunTask([&](Loop& loop) -> Task<void> {
    Result<int> first = 0;
    Child queued([](Pool& p, Result<int>& result) -> Task<void> {
      result = co_await p.Run([] { return 7; });
    }(pool, first));
    auto refused = co_await pool.Run([] { return 1; });
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_EQ(refused.error().code(), Code::kUnavailable);
    release.count_down();
    co_await queued.Join();
    EXPECT_EQ(first.value_or(0), 7);
    (void)loop;
  });
}

TEST(Pool, AFrameMayDieWhileItsJobRuns) {
  Pool pool("test", 1, 4);
  std::latch running(1);
  std::atomic<bool> finished{false};
  {
    Loop loop;
    loop.Post([&] {
      loop.Spawn([](Pool& p, std::latch& r, std::atomic<bool>& f) -> Task<void> {
        (void)co_await p.Run([&] {
          r.count_down();
          std::this_thread::yield();
          f = true;
          return 0;
        });
      }(pool, running, finished));
      loop.Stop();
    });
    loop.Run();
    running.wait();
  }
  EXPECT_TRUE(finished);  // the destructor waited
}

TEST(Child, DestroyedWhileSuspended) {
  RunTask([](Loop& loop) -> Task<void> {
    Child child([](Loop& l) -> Task<void> { co_await l.Sleep(std::chrono::hours(1)); }(loop));
    EXPECT_FALSE(child.done());
    co_return;
  });
}

}  // namespace
}  // namespace kinglet::net
