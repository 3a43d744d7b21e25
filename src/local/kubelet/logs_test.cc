#include "local/kubelet/logs.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/encoding.h"

namespace kinglet::kubelet {
namespace {

class LogsTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("logs-test-" + RandomSuffix(10));
    path_ = dir_ / "0.log";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string Read(const LogOptions& options) {
    std::string text;
    Status read = ReadLogFile(
        path_, options,
        [&](std::string_view bytes) {
          text += bytes;
          return Status{};
        },
        [] { return true; }, {});
    EXPECT_TRUE(read.has_value());
    return text;
  }
  std::filesystem::path dir_, path_;
};

TEST_F(LogsTest, KeepsLinesOfBothStreamsWhole) {
  LogFile log(path_);
  log.Append("stdout", "first ha");
  log.Append("stderr", "error\n");
  log.Append("stdout", "lf\nsecond\nlast without end");
  log.Flush();
  EXPECT_EQ(Read({}), "error\nfirst half\nsecond\nlast without end\n");
  LogOptions options;
  options.tail_lines = 2;
  EXPECT_EQ(Read(options), "second\nlast without end\n");
  options.tail_lines = 0;
  EXPECT_EQ(Read(options), "");
  options = {};
  options.limit_bytes = 8;
  EXPECT_EQ(Read(options), "error\nfi");
  options = {};
  options.timestamps = true;
  options.tail_lines = 1;
  std::string line = Read(options);
  EXPECT_EQ(line.substr(10, 1), "T");
  EXPECT_TRUE(line.ends_with("Z last without end\n"));
  options = {};
  options.since_time = Clock::System().Wall() + std::chrono::hours(1);
  EXPECT_EQ(Read(options), "");
}

TEST_F(LogsTest, JoinsLongLinesAgain) {
  LogFile log(path_);
  std::string text(40'000, 'x');
  log.Append("stdout", text + "\nend\n");
  EXPECT_EQ(Read({}), text + "\nend\n");
  EXPECT_EQ(LogTail(path_, 1), "end\n");
}

TEST_F(LogsTest, RotationKeepsThePredecessor) {
  LogFile log(path_, 200);
  for (int i = 0; i < 7; ++i) log.Append("stdout", "line number " + std::to_string(i) + "\n");
  std::string text = Read({});
  EXPECT_TRUE(text.ends_with("line number 6\n"));
  EXPECT_TRUE(std::filesystem::exists(path_.string() + ".1"));
}

TEST_F(LogsTest, FollowsUntilFinishedAcrossRotation) {
  LogFile log(path_, 200);
  log.Append("stdout", "one\n");
  std::atomic<bool> finished{false}, begun{false};
  std::string text;
  std::thread reader([&] {
    LogOptions options;
    options.follow = true;
    (void)ReadLogFile(
        path_, options,
        [&](std::string_view bytes) {
          text += bytes;
          begun = true;
          begun.notify_all();
          return Status{};
        },
        [&] { return finished.load(); }, {});
  });
  begun.wait(false);
  std::string want = "one\n";
  for (int i = 0; i < 5; ++i) {
    log.Append("stdout", "more " + std::to_string(i) + "\n");
    want += "more " + std::to_string(i) + "\n";
  }
  finished = true;
  reader.join();
  EXPECT_EQ(text, want);
}

}  // namespace
}  // namespace kinglet::kubelet
