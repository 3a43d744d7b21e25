// Fetches the objects of a listing into a folder: parallel ranged requests written straight to
// their place, with stall detection, retries with backoff, checksums and a journal. Memory is two
// buffers of 256 KiB a connection, whatever the objects' size. The parts: range_request.h, pace.h.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "storage/journal.h"
#include "storage/limits.h"
#include "storage/scheme.h"

namespace kinglet::storage {

struct FetchOptions {
  int connections = 16;  // at most: see pace.h
  uint64_t chunk_bytes = uint64_t{16} << 20;
  int max_failures = 8;  // in a row without a byte of progress
  Duration first_backoff = std::chrono::milliseconds(200);
  Duration max_backoff = std::chrono::seconds(20);
  uint64_t max_bytes = kMaxModelBytes;  // of all objects, also of those whose size nobody tells
};

struct FetchCounters {
  std::atomic<uint64_t> present{0};   // bytes in place, resumed ones too
  std::atomic<uint64_t> received{0};  // bytes that came over the network
  std::atomic<uint64_t> files{0};     // finished
  std::atomic<uint64_t> retries{0};
  std::atomic<int> connections{0};        // requests under way
  std::atomic<uint64_t> hedges{0};        // second requests that raced a silent first one
  std::atomic<uint64_t> hedged_bytes{0};  // what they brought, part of `received`
  // A server answered with all of an object instead of the range: fetch whole objects instead.
  std::atomic<bool> ranges_ignored{false};
};

class Fetcher {
 public:
  // `folder` is the data folder's descriptor. All references outlive the fetcher.
  Fetcher(Source& source, const std::vector<Object>& objects, int folder, Journal& journal,
          const FetchOptions& options, const Context& context, FetchCounters& counters);
  ~Fetcher();

  // Blocks until all objects are there or one failed for good. `tick` is called about every 100 ms
  // on the calling thread. kAborted: an object changed meanwhile, so what is there is worthless.
  Status Run(const std::function<void()>& tick);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::storage
