// Container logs: files in the format of the Container Runtime Interface,
//
//   2026-01-02T03:04:05.000000006Z stdout F the line
//
// ("P" instead of "F" for a line cut at 16 KiB), rotated at 10 MiB with one predecessor kept.
// https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace kinglet::kubelet {

// The query of GET /api/v1/namespaces/<ns>/pods/<pod>/log.
struct LogOptions {
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<int64_t> tail_lines;
  std::optional<int64_t> limit_bytes;
  std::optional<int64_t> since_seconds;
  std::optional<WallTime> since_time;
};

// Gets pieces of the log as they come; an error stops the reading.
using LogSink = std::function<Status(std::string_view)>;

// Appends lines to one log file. Not thread-safe: one pump thread writes.
class LogFile {
 public:
  static constexpr size_t kMaxLine = 16 << 10;
  static constexpr size_t kMaxFile = 10 << 20;

  explicit LogFile(std::filesystem::path path, size_t max_file = kMaxFile);
  // Raw bytes of a stream ("stdout", "stderr"); whole lines are written at once, the rest waits
  // for its newline.
  void Append(std::string_view stream, std::string_view bytes);
  // Writes what still waits for a newline.
  void Flush();

 private:
  void WriteLine(std::string_view stream, std::string_view text, bool partial);
  void Open();

  std::filesystem::path path_;
  size_t max_file_;
  Fd fd_;
  size_t size_ = 0;
  std::string pending_[2];
};

// Reads <path>.1 (the rotated predecessor) and <path>. While following it waits for more until
// `finished` says that nothing more will be written.
Status ReadLogFile(const std::filesystem::path& path, const LogOptions& options,
                   const LogSink& sink, const std::function<bool()>& finished,
                   std::stop_token stop);

// The last lines of a log, without times: at most 80 lines and 2048 bytes (the termination message
// under FallbackToLogsOnError).
std::string LogTail(const std::filesystem::path& path, size_t max_lines = 80,
                    size_t max_bytes = 2048);

}  // namespace kinglet::kubelet
