// GET .../pods/NAME/log: what the kubelet's log source writes, streamed.
#pragma once

#include <atomic>

#include "local/apiserver/api.h"
#include "net/http/server.h"
#include "net/task.h"

namespace kinglet::local {

// Streams in progress, each with a thread of its own.
struct LogStreams {
  static constexpr int kLimit = 64;
  std::atomic<int> running{0};
};

net::Task<void> ServeLogs(Api& api, Call call, http::Exchange& exchange, LogStreams& streams,
                          std::stop_token stop);

}  // namespace kinglet::local
