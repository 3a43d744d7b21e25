// Log lines of requests, gathered a loop and written together: a write(2) a request would cost as
// much as a small prediction.
#pragma once

#include <string>
#include <string_view>

#include "net/loop.h"

namespace kinglet::server {

// Used on one loop's thread only. Lines are on their way at most 100 ms.
class LineLog {
 public:
  LineLog(net::Loop* loop, int fd) : loop_(loop), fd_(fd) {}
  ~LineLog() { Flush(); }
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  // Where the next line is to be appended, with its '\n'; call Commit afterwards.
  std::string& buffer() { return buffer_; }
  void Commit();
  void Flush();
  // Appends "2025-01-31 12:00:00.123 " (local time), as Python's logging with KServe's format.
  void AppendTime();

 private:
  net::Task<void> FlushLater();

  net::Loop* loop_;  // null in tests: every line is written at once
  int fd_;
  std::string buffer_;
  bool armed_ = false;
  int64_t second_ = -1;  // of second_text_
  std::string second_text_;
};

}  // namespace kinglet::server
