// Download: a URI of any scheme into a folder, whole or not at all. Blocking; used by the storage
// initializer, `kinglet pull`, `kinglet serve URI`, the agent's puller and cache jobs.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "storage/archive.h"
#include "storage/environment.h"
#include "storage/fetch.h"
#include "storage/progress.h"

namespace kinglet::storage {

struct DownloadOptions {
  Environment environment;  // see Environment::FromProcess
  std::stop_token stop;
  Deadline deadline = Deadline::Never();
  Duration stall_timeout = std::chrono::seconds(30);
  // Local paths are copied; otherwise linked, as KServe's initializer does.
  bool copy_local = false;
  FetchOptions fetch;
  ArchiveLimits archive;
  Duration progress_interval = std::chrono::seconds(2);
  std::function<void(const Progress&)> on_progress;  // on the calling thread
  MetricsRegistry* metrics = nullptr;                // kinglet_storage_* series
};

struct DownloadResult {
  bool already_complete = false;  // a marker said that the model lies there
  uint64_t files = 0, bytes = 0;
  uint64_t received_bytes = 0;  // over the network, by this call
  uint64_t retries = 0;
  uint64_t hedges = 0;  // requests beside a silent one
  double seconds = 0;
};

Result<DownloadResult> Download(std::string_view uri, const std::string& destination,
                                const DownloadOptions& options);

}  // namespace kinglet::storage
