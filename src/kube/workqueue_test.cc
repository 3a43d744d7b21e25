#include "kube/workqueue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace kinglet::kube {
namespace {

ObjectKey K(std::string name) { return {"n", std::move(name)}; }

TEST(WorkQueue, KeepsAKeyOnce) {
  WorkQueue queue;
  queue.Add(K("a"));
  queue.Add(K("b"));
  queue.Add(K("a"));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.Get()->name, "a");
  EXPECT_EQ(queue.Get()->name, "b");
}

TEST(WorkQueue, HoldsAKeyBackWhileItIsWorkedOn) {
  WorkQueue queue;
  queue.Add(K("a"));
  ObjectKey key = *queue.Get();
  queue.Add(K("a"));
  queue.Add(K("b"));
  EXPECT_EQ(queue.Get()->name, "b");
  queue.Done(key);
  EXPECT_EQ(queue.Get()->name, "a");
}

TEST(WorkQueue, PutsUrgentKeysFirstAndStarvesNobody) {
  WorkQueue queue;
  queue.Add(K("low"), WorkQueue::kLowPriority);
  for (int i = 0; i < 8; ++i) queue.Add(K(std::to_string(i)));
  std::vector<std::string> order;
  for (int i = 0; i < 9; ++i) order.push_back(queue.Get()->name);
  EXPECT_EQ(order[0], "0");
  EXPECT_EQ(order[3], "low");  // the fourth is the one that waited longest
  queue.Add(K("x"), WorkQueue::kLowPriority);
  queue.Add(K("y"), WorkQueue::kLowPriority);
  queue.Add(K("y"));  // raised
  EXPECT_EQ(queue.Get()->name, "y");
}

TEST(WorkQueue, DelaysAndBacksOff) {
  FakeClock clock;
  WorkQueue queue({.clock = &clock});
  queue.AddAfter(K("a"), 10s);
  queue.AddAfter(K("a"), 5s);  // the earlier counts
  queue.AddAfter(K("b"), 20s);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.delayed(), 2u);
  clock.Advance(5s);
  EXPECT_EQ(queue.Get()->name, "a");
  EXPECT_EQ(queue.delayed(), 1u);
  queue.Done(K("a"));

  Duration expected = 5ms;
  for (int i = 0; i < 25; ++i) {
    queue.AddRateLimited(K("c"));
    clock.Advance(expected - 1ns);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_FALSE(queue.Get(stop.get_token()));
    clock.Advance(1ns);
    while (auto key = queue.Get()) {
      queue.Done(*key);
      if (key->name == "c") break;
    }
    expected = std::min<Duration>(expected * 2, 1000s);
  }
  EXPECT_EQ(queue.Failures(K("c")), 25);
  queue.Forget(K("c"));
  EXPECT_EQ(queue.Failures(K("c")), 0);
}

TEST(WorkQueue, EndsWaiting) {
  WorkQueue queue;
  std::stop_source stop;
  std::thread stopped([&] { EXPECT_FALSE(queue.Get(stop.get_token())); });
  stop.request_stop();
  stopped.join();
  std::thread shut([&] { EXPECT_FALSE(queue.Get()); });
  queue.ShutDown();
  shut.join();
  queue.Add(K("a"));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(WorkQueue, NeverGivesAKeyToTwoWorkers) {
  MetricsRegistry metrics;
  WorkQueue queue({.name = "test", .base_delay = 1us, .metrics = &metrics});
  std::mutex mutex;
  std::map<ObjectKey, int> active;
  std::atomic<int> handled{0}, overlaps{0};
  std::vector<std::thread> workers;
  for (int w = 0; w < 4; ++w) {
    workers.emplace_back([&] {
      while (auto key = queue.Get()) {
        {
          std::lock_guard lock(mutex);
          if (++active[*key] > 1) ++overlaps;
        }
        std::this_thread::yield();
        {
          std::lock_guard lock(mutex);
          --active[*key];
        }
        if (handled % 7 == 0) queue.AddRateLimited(*key);
        queue.Done(*key);
        if (++handled >= 500) queue.ShutDown();
      }
    });
  }
  for (int i = 0; handled < 500; ++i) {
    queue.Add(K(std::to_string(i % 5)), i % 3);
    std::this_thread::yield();
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(overlaps, 0);
  EXPECT_NE(metrics.Expose().find("workqueue_adds_total{controller=\"test\",name=\"test\"}"),
            std::string::npos);
}

}  // namespace
}  // namespace kinglet::kube
