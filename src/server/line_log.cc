#include "server/line_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <iterator>

namespace kinglet::server {
namespace {

constexpr size_t kFlushBytes = 16 << 10;
constexpr auto kFlushAfter = std::chrono::milliseconds(100);

}  // namespace

void LineLog::Commit() {
  if (loop_ == nullptr || buffer_.size() >= kFlushBytes) {
    Flush();
  } else if (!armed_) {
    armed_ = true;
    loop_->Spawn(FlushLater());
  }
}

void LineLog::Flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    ssize_t written = ::write(fd_, rest.data(), rest.size());
    // A log that cannot be written must not stop the program.
    if (written <= 0) break;
    rest.remove_prefix(static_cast<size_t>(written));
  }
  buffer_.clear();
}

net::Task<void> LineLog::FlushLater() {
  (void)co_await loop_->Sleep(kFlushAfter);
  armed_ = false;
  Flush();
}

void LineLog::AppendTime() {
  using std::chrono::milliseconds;
  int64_t now =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  if (now / 1000 != second_) {
    second_ = now / 1000;
    time_t seconds = static_cast<time_t>(second_);
    tm local{};
    localtime_r(&seconds, &local);
    char text[32];
    second_text_.assign(text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local));
  }
  fmt::format_to(std::back_inserter(buffer_), "{}.{:03} ", second_text_, now % 1000);
}

}  // namespace kinglet::server
