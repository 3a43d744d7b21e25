#include "local/apiserver/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/encoding.h"

namespace kinglet::local {
namespace {

using ::testing::ElementsAre;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("kinglet-store-" + RandomSuffix(10));
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  StoreOptions Options() { return {.path = dir_ / "state.db"}; }
  std::unique_ptr<Store> Open() {
    auto store = Store::Open(Options());
    EXPECT_TRUE(store) << store.error().message();
    return std::move(*store);
  }
  static Json Object(std::string_view name, int value) {
    return Json::MakeObject(
        {{"metadata", Json::MakeObject({{"name", name}, {"uid", name}})}, {"value", value}});
  }
  std::filesystem::path dir_;
};

std::vector<std::string> Names(const ListResult& list) {
  std::vector<std::string> names;
  for (const RecordPtr& record : list.records) names.push_back(record->ref.name);
  return names;
}

TEST_F(StoreTest, VersionsGrowAndAreCheckedAndSurviveRestart) {
  int64_t last = 0;
  {
    auto store = Open();
    auto a = store->Put("pods", {"ns", "a"}, 0, Object("a", 1));
    ASSERT_TRUE(a);
    EXPECT_EQ((*a)->object.At({"metadata", "resourceVersion"}).AsString(),
              std::to_string((*a)->resource_version));
    EXPECT_EQ(store->Put("pods", {"ns", "a"}, 0, Object("a", 2)).error().code(),
              Code::kAlreadyExists);
    EXPECT_EQ(store->Put("pods", {"ns", "b"}, 7, Object("b", 2)).error().code(), Code::kNotFound);
    auto b = store->Put("pods", {"ns", "a"}, (*a)->resource_version, Object("a", 2));
    ASSERT_TRUE(b);
    EXPECT_GT((*b)->resource_version, (*a)->resource_version);
    EXPECT_EQ(
        store->Put("pods", {"ns", "a"}, (*a)->resource_version, Object("a", 3)).error().code(),
        Code::kAborted);
    ASSERT_TRUE(store->Delete("pods", {"ns", "a"}, (*b)->resource_version));
    EXPECT_FALSE(store->Get("pods", {"ns", "a"}));
    last = store->version();
  }
  auto store = Open();
  EXPECT_GE(store->version(), last);
  auto watcher = store->Watch("pods", "", 1, {});
  ASSERT_TRUE(watcher) << watcher.error().message();
  std::vector<EventType> types;
  for (const auto& event : (*watcher)->Take()) types.push_back(event->type);
  EXPECT_THAT(types, ElementsAre(EventType::kAdded, EventType::kModified, EventType::kDeleted));
}

TEST_F(StoreTest, ListsOfThePastAreConsistent) {
  auto store = Open();
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(store->Put("pods", {"ns", name}, 0, Object(name, 1)));
  }
  ListResult then = store->List("pods", "ns");
  ASSERT_TRUE(store->Delete("pods", {"ns", "b"}, then.records[1]->resource_version));
  ASSERT_TRUE(store->Put("pods", {"ns", "d"}, 0, Object("d", 1)));
  ASSERT_TRUE(store->Put("pods", {"ns", "a"}, then.records[0]->resource_version, Object("a", 5)));
  auto past = store->ListAt("pods", "ns", then.resource_version);
  ASSERT_TRUE(past);
  EXPECT_THAT(Names(*past), ElementsAre("a", "b", "c"));
  EXPECT_EQ(past->records[0]->object["value"].AsInt(), 1);
  EXPECT_THAT(Names(store->List("pods", "ns")), ElementsAre("a", "c", "d"));
  EXPECT_TRUE(store->List("pods", "other").records.empty());
}

TEST_F(StoreTest, ForgottenEventsAreOutOfRange) {
  StoreOptions options = Options();
  options.history = 10;
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened);
  Store& store = **opened;
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(store.Put("pods", {"ns", std::to_string(i)}, 0, Object("x", i)));
  }
  EXPECT_EQ(store.Watch("pods", "", 5, {}).error().code(), Code::kOutOfRange);
  EXPECT_EQ(store.ListAt("pods", "", 5).error().code(), Code::kOutOfRange);
  EXPECT_TRUE(store.Watch("pods", "", store.version(), {}));
}

TEST_F(StoreTest, SlowWatchersAreClosedAndOthersGoOn) {
  StoreOptions options = Options();
  options.watch_buffer = 3;
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened);
  Store& store = **opened;
  int wakes = 0;
  auto slow = store.Watch("pods", "", store.version(), [&] { ++wakes; });
  auto fast = store.Watch("pods", "", store.version(), {});
  auto other = store.Watch("services", "", store.version(), {});
  ASSERT_TRUE(slow && fast && other);
  size_t seen = 0;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(store.Put("pods", {"ns", std::to_string(i)}, 0, Object("x", i)));
    seen += (*fast)->Take().size();
  }
  EXPECT_TRUE((*slow)->overflowed());
  EXPECT_EQ(wakes, 2);  // the first event, and the end
  EXPECT_FALSE((*fast)->overflowed());
  EXPECT_EQ(seen, 8u);
  EXPECT_TRUE((*other)->empty());
}

TEST_F(StoreTest, ASecondProcessIsRefused) {
  auto store = Open();
  auto second = Store::Open(Options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
}

TEST_F(StoreTest, ConcurrentWritersKeepOneOrder) {
  auto store = Open();
  auto watcher = store->Watch("pods", "", store->version(), {});
  ASSERT_TRUE(watcher);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        std::string name = std::to_string(t) + "-" + std::to_string(i);
        EXPECT_TRUE(store->Put("pods", {"ns", name}, 0, Object(name, i)));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  auto events = (*watcher)->Take();
  ASSERT_EQ(events.size(), 200u);
  for (size_t i = 1; i < events.size(); ++i) {
    EXPECT_EQ(events[i]->version(), events[i - 1]->version() + 1);
  }
}

// A child writes and says what was acknowledged; it is killed in the middle, again and again.
TEST_F(StoreTest, AcknowledgedWritesSurviveKill) {
  int64_t acknowledged = 0, version = 0;
  for (int round = 0; round < 5; ++round) {
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
      close(fds[0]);
      auto store = Store::Open(Options());
      if (!store) _exit(1);
      for (int64_t i = acknowledged;; ++i) {
        std::string name = std::to_string(i);
        auto record = (*store)->Put("pods", {"ns", name}, 0, Object(name, 1));
        if (!record) _exit(2);
        int64_t line[2] = {i + 1, (*record)->resource_version};
        if (write(fds[1], line, sizeof(line)) != sizeof(line)) _exit(3);
      }
    }
    close(fds[1]);
    int64_t line[2] = {0, 0};
    for (int i = 0; i < 50 + round * 17; ++i) {
      ASSERT_EQ(read(fds[0], line, sizeof(line)), static_cast<ssize_t>(sizeof(line)));
    }
    kill(child, SIGKILL);
    while (read(fds[0], line, sizeof(line)) == static_cast<ssize_t>(sizeof(line))) {
    }
    close(fds[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_GT(line[1], version);
    acknowledged = line[0];
    version = line[1];
    auto store = Open();
    EXPECT_GE(store->version(), version);
    for (int64_t i = 0; i < acknowledged; ++i) {
      ASSERT_TRUE(store->Get("pods", {"ns", std::to_string(i)})) << i;
    }
    // One more may be there: committed, but killed before it was said.
    EXPECT_LE(store->Count("pods"), static_cast<size_t>(acknowledged) + 1);
    acknowledged = static_cast<int64_t>(store->Count("pods"));
  }
}

TEST_F(StoreTest, LimitsBytes) {
  StoreOptions options = Options();
  options.max_object_bytes = 4000;
  options.max_bytes = 10'000;
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened);
  Store& store = **opened;
  auto object = [](std::string_view name, size_t size) {
    Json made = Object(name, 1);
    made.Set("text", std::string(size, 'x'));
    return made;
  };
  EXPECT_EQ(store.Put("pods", {"", "a"}, 0, object("a", 5000)).error().code(), Code::kOutOfRange);
  EXPECT_EQ(store.bytes(), 0u);
  for (const char* name : {"a", "b", "c"})
    ASSERT_TRUE(store.Put("pods", {"", name}, 0, object(name, 3000)));
  auto full = store.Put("pods", {"", "d"}, 0, object("d", 3000));
  EXPECT_EQ(full.error().code(), Code::kResourceExhausted);
  // What exists may grow a little more, and shrink, and go.
  auto a = store.Put("pods", {"", "a"}, store.Get("pods", {"", "a"})->resource_version,
                     object("a", 3900));
  ASSERT_TRUE(a) << a.error().message();
  EXPECT_FALSE(store.Put("pods", {"", "a"}, (*a)->resource_version, object("a", 4500)));
  ASSERT_TRUE(store.Delete("pods", {"", "b"}, store.Get("pods", {"", "b"})->resource_version));
  EXPECT_TRUE(store.Put("pods", {"", "d"}, 0, object("d", 2000)));
  const size_t bytes = store.bytes();
  opened->reset();
  opened = Store::Open(options);
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->bytes(), bytes);
}

TEST_F(StoreTest, LimitsTheBytesOfHistory) {
  StoreOptions options = Options();
  options.max_history_bytes = 20'000;
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened);
  Store& store = **opened;
  int64_t version = 0;
  for (int i = 0; i < 100; ++i) {
    Json object = Object("a", i);
    object.Set("text", std::string(1000, 'x'));
    auto put = store.Put("pods", {"", "a"}, version, std::move(object));
    ASSERT_TRUE(put);
    version = (*put)->resource_version;
  }
  EXPECT_FALSE(store.Watch("pods", "", version - 50, {}));
  EXPECT_TRUE(store.Watch("pods", "", version - 5, {}));
}

}  // namespace
}  // namespace kinglet::local
