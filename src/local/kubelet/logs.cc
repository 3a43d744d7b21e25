#include "local/kubelet/logs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <deque>

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;

// RFC 3339 with nanoseconds, UTC.
std::string Timestamp(WallTime time) {
  auto nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  time_t seconds = static_cast<time_t>(nanos / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     nanos % 1'000'000'000);
}

struct LogLine {
  std::string_view time, text;
  bool partial = false;
};

// "TIME STREAM TAG TEXT"; a line that is not one of ours is taken as text.
LogLine ParseLine(std::string_view line) {
  size_t a = line.find(' ');
  size_t b = a == line.npos ? a : line.find(' ', a + 1);
  size_t c = b == line.npos ? b : line.find(' ', b + 1);
  if (c == line.npos) return {"", line, false};
  return {line.substr(0, a), line.substr(c + 1), line.substr(b + 1, c - b - 1) == "P"};
}

// Turns lines of the file into what the reader asked for.
class Emitter {
 public:
  Emitter(const LogOptions& options, const LogSink& sink) : options_(options), sink_(sink) {
    if (options.since_seconds) {
      since_ = Timestamp(Clock::System().Wall() - std::chrono::seconds(*options.since_seconds));
    } else if (options.since_time) {
      since_ = Timestamp(*options.since_time);
    }
    if (options.limit_bytes) left_ = std::max<int64_t>(*options.limit_bytes, 0);
  }

  bool Wanted(std::string_view line) const {
    // The text of equal-length UTC times orders as the times do.
    return since_.empty() || ParseLine(line).time >= since_;
  }

  // False in `more` when the limit is reached.
  Status Emit(std::string_view line, bool* more) {
    LogLine parsed = ParseLine(line);
    std::string out;
    if (options_.timestamps && !inside_) out = std::string(parsed.time) + " ";
    out += parsed.text;
    inside_ = parsed.partial;
    if (!parsed.partial) out += '\n';
    if (left_ && static_cast<int64_t>(out.size()) >= *left_) {
      out.resize(static_cast<size_t>(*left_));
      *more = false;
    }
    if (left_) *left_ -= static_cast<int64_t>(out.size());
    return out.empty() ? Status{} : sink_(out);
  }

 private:
  const LogOptions& options_;
  const LogSink& sink_;
  std::string since_;
  std::optional<int64_t> left_;
  bool inside_ = false;  // after a partial line
};

// Reads whole lines from a descriptor as they come.
class LineReader {
 public:
  explicit LineReader(Fd fd) : fd_(std::move(fd)) {}

  // The next whole line, or nothing for now.
  std::optional<std::string> Next() {
    for (;;) {
      size_t end = buffer_.find('\n', scanned_);
      if (end != buffer_.npos) {
        std::string line = buffer_.substr(start_, end - start_);
        start_ = scanned_ = end + 1;
        return line;
      }
      scanned_ = buffer_.size();
      if (start_ > 0) {
        buffer_.erase(0, start_);
        scanned_ -= start_;
        start_ = 0;
      }
      char chunk[16 << 10];
      ssize_t count = read(fd_.get(), chunk, sizeof(chunk));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return std::nullopt;
      buffer_.append(chunk, static_cast<size_t>(count));
    }
  }

  // Whether the file at `path` is another one by now (it was rotated).
  bool Rotated(const fs::path& path) const {
    struct stat here, there;
    return fstat(fd_.get(), &here) == 0 && stat(path.c_str(), &there) == 0 &&
           (here.st_ino != there.st_ino || here.st_dev != there.st_dev);
  }

 private:
  Fd fd_;
  std::string buffer_;
  size_t start_ = 0, scanned_ = 0;
};

Fd OpenForReading(const fs::path& path) { return Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

}  // namespace

LogFile::LogFile(fs::path path, size_t max_file) : path_(std::move(path)), max_file_(max_file) {
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  Open();
}

void LogFile::Open() {
  fd_.Reset(open(path_.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0640));
  struct stat info;
  size_ = fd_ && fstat(fd_.get(), &info) == 0 ? static_cast<size_t>(info.st_size) : 0;
}

void LogFile::WriteLine(std::string_view stream, std::string_view text, bool partial) {
  if (size_ > max_file_) {
    std::error_code error;
    fs::rename(path_, fs::path(path_.string() + ".1"), error);
    Open();
  }
  std::string line = fmt::format("{} {} {} {}\n", Timestamp(Clock::System().Wall()), stream,
                                 partial ? "P" : "F", text);
  std::string_view left = line;
  while (!left.empty()) {
    ssize_t count = write(fd_.get(), left.data(), left.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // a full disk loses the log, not the pod
    left.remove_prefix(static_cast<size_t>(count));
  }
  size_ += line.size();
}

void LogFile::Append(std::string_view stream, std::string_view bytes) {
  std::string& pending = pending_[stream == "stderr" ? 1 : 0];
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    size_t take = std::min(end == bytes.npos ? bytes.size() : end, kMaxLine - pending.size());
    pending.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (end == take) {
      bytes.remove_prefix(1);
      WriteLine(stream, pending, false);
      pending.clear();
    } else if (pending.size() == kMaxLine) {
      WriteLine(stream, pending, true);
      pending.clear();
    }
  }
}

void LogFile::Flush() {
  for (int i = 0; i < 2; ++i) {
    if (pending_[i].empty()) continue;
    WriteLine(i ? "stderr" : "stdout", pending_[i], false);
    pending_[i].clear();
  }
}

Status ReadLogFile(const fs::path& path, const LogOptions& options, const LogSink& sink,
                   const std::function<bool()>& finished, std::stop_token stop) {
  Emitter emitter(options, sink);
  bool more = !options.limit_bytes || *options.limit_bytes > 0;
  std::deque<std::string> tail;
  const bool cut = options.tail_lines.has_value();
  const size_t keep = cut ? static_cast<size_t>(std::max<int64_t>(*options.tail_lines, 0)) : 0;
  Fd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  inotify_add_watch(watch.get(), path.parent_path().c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_FROM);

  auto take = [&](std::string line) -> Status {
    if (!emitter.Wanted(line)) return {};
    if (!cut) return emitter.Emit(line, &more);
    tail.push_back(std::move(line));
    if (tail.size() > keep) tail.pop_front();
    return {};
  };
  // Opened before the predecessor is read, so that a rotation in between loses nothing.
  Fd current = OpenForReading(path);
  if (Fd old = OpenForReading(path.string() + ".1")) {
    LineReader reader(std::move(old));
    while (more) {
      auto line = reader.Next();
      if (!line) break;
      KINGLET_RETURN_IF_ERROR(take(std::move(*line)));
    }
  }
  if (!current) current = OpenForReading(path);
  LineReader reader(std::move(current));
  while (more) {
    auto line = reader.Next();
    if (!line) break;
    KINGLET_RETURN_IF_ERROR(take(std::move(*line)));
  }
  for (const std::string& line : tail) {
    if (!more) break;
    KINGLET_RETURN_IF_ERROR(emitter.Emit(line, &more));
  }
  while (options.follow && more && !stop.stop_requested()) {
    // Asked before reading: what was written until then is read below.
    bool last = finished();
    bool rotated = reader.Rotated(path);
    while (more) {
      auto line = reader.Next();
      if (!line) break;
      if (emitter.Wanted(*line)) KINGLET_RETURN_IF_ERROR(emitter.Emit(*line, &more));
    }
    if (rotated) {
      reader = LineReader(OpenForReading(path));
      continue;
    }
    if (last) break;
    pollfd wait{watch.get(), POLLIN, 0};
    poll(&wait, 1, 200);
    char events[4096];
    while (read(watch.get(), events, sizeof(events)) > 0) {
    }
  }
  return {};
}

std::string LogTail(const fs::path& path, size_t max_lines, size_t max_bytes) {
  LogOptions options;
  options.tail_lines = static_cast<int64_t>(max_lines);
  std::string text;
  (void)ReadLogFile(
      path, options,
      [&](std::string_view bytes) {
        text += bytes;
        if (text.size() > 4 * max_bytes) text.erase(0, text.size() - max_bytes);
        return Status{};
      },
      [] { return true; }, {});
  if (text.size() > max_bytes) text.erase(0, text.size() - max_bytes);
  return text;
}

}  // namespace kinglet::kubelet
