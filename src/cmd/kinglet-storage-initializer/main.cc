// The init container that brings a model to its volume: kinglet-storage-initializer SRC DEST ...
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "base/flags.h"
#include "base/log.h"
#include "base/uri.h"
#include "cmd/kinglet-storage-initializer/last_message.h"
#include "cmd/kinglet-storage-initializer/metrics_endpoint.h"
#include "storage/confinement.h"
#include "storage/downloader.h"
#include "storage/plugin.h"

namespace kinglet {
namespace {

constexpr int kExitFailed = 1, kExitUsage = 2, kExitStopped = 143;

struct Settings {
  std::string log_format = "text", log_level = "info";
  std::string timeout, stall_timeout = "30s", termination_log, metrics_address;
  int64_t connections = 16, chunk_mib = 16;
  bool copy_local = false;
};

// SIGTERM and SIGINT become a stop request; blocked in every thread, taken by this one.
class SignalStop {
 public:
  SignalStop() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    signal(SIGXFSZ, SIG_IGN);  // a file over the limit is an error that can be said
    thread_ = std::jthread([this](std::stop_token end) {
      int number;
      while (sigwait(&signals_, &number) == 0 && !end.stop_requested()) source_.request_stop();
    });
  }
  // Wakes the thread at once: an init container's time is every model's time to be ready.
  ~SignalStop() {
    thread_.request_stop();
    pthread_kill(thread_.native_handle(), SIGTERM);
  }
  std::stop_token token() const { return source_.get_token(); }

 private:
  sigset_t signals_;
  std::stop_source source_;
  std::jthread thread_;
};

int DownloadAll(const Settings& settings, const std::vector<std::string>& pairs,
                storage::DownloadOptions options) {
  LastMessage message(settings.termination_log);
  storage::ConfineDownloads(pairs, options.environment);  // after the message's file was opened
  SignalStop stop;                                        // before any other thread starts
  MetricsRegistry metrics;
  std::unique_ptr<MetricsEndpoint> endpoint;
  if (!settings.metrics_address.empty()) {
    auto started = MetricsEndpoint::Start(settings.metrics_address, metrics);
    if (!started) {
      message.Final("kinglet-storage-initializer: " + started.error().message());
      return kExitUsage;
    }
    endpoint = std::move(*started);
  }
  options.metrics = &metrics;
  options.stop = stop.token();
  storage::DownloadResult total;
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::string &uri = pairs[i], &destination = pairs[i + 1];
    const std::string shown = RedactUri(uri);  // the message is a part of the pod's status
    LogInfo("downloading", {{"uri", shown}, {"destination", destination}});
    message.Interim(fmt::format("killed while downloading {}; run again to resume", shown));
    options.on_progress = [&](const storage::Progress& progress) {
      std::string line = storage::ProgressLine(progress);
      LogInfo(line);
      message.Interim(
          fmt::format("killed while downloading {} ({}); run again to resume", shown, line));
    };
    auto result = storage::Download(uri, destination, options);
    if (!result) {
      bool stopped = options.stop.stop_requested();
      message.Final(stopped
                        ? fmt::format("stopped while downloading {}; run again to resume", shown)
                        : fmt::format("{}: {}", shown, result.error().message()),
                    // KServe's text for a scheme that it does not know has two lines.
                    storage::FindPlugin(uri) ? Lines::kOne : Lines::kMany);
      return stopped ? kExitStopped : kExitFailed;
    }
    if (result->already_complete) {
      LogInfo("complete already", {{"uri", shown}, {"destination", destination}});
    }
    total.bytes += result->bytes;
    total.files += result->files;
    total.seconds += result->seconds;
    total.received_bytes += result->received_bytes;
    total.retries += result->retries;
    total.hedges += result->hedges;
  }
  LogInfo("done", {{"files", total.files},
                   {"bytes", total.bytes},
                   {"received_bytes", total.received_bytes},
                   {"retries", total.retries},
                   {"hedged_requests", total.hedges},
                   {"seconds", total.seconds}});
  message.Final(
      fmt::format("Successfully copied {} file{}, {} in {:.1f} s ({}/s, {} retries) to {}",
                  total.files, total.files == 1 ? "" : "s",
                  storage::HumanBytes(static_cast<double>(total.bytes)), total.seconds,
                  storage::HumanBytes(static_cast<double>(total.received_bytes) /
                                      std::max(total.seconds, 1e-3)),
                  total.retries, pairs[pairs.size() - 1]));
  return 0;
}

int Main(int argc, char** argv) {
  Settings settings;
  Flags flags(
      "kinglet-storage-initializer",
      "Downloads models: SRC_URI DEST_PATH [SRC_URI DEST_PATH ...]. Resumes what was cut; a "
      "destination is whole or not there.");
  flags.Add("log-format", &settings.log_format, "text or json");
  flags.Add("log-level", &settings.log_level, "debug, info, warning or error");
  flags.Add("timeout", &settings.timeout, "give up after this time (1h30m); none by default");
  flags.Add("stall-timeout", &settings.stall_timeout,
            "repeat a request that is silent for so long");
  flags.Add("connections", &settings.connections,
            "parallel requests at most; as many as bring more");
  flags.Add("chunk-mib", &settings.chunk_mib, "size of a ranged request in MiB");
  flags.Add("copy-local", &settings.copy_local, "copy local paths instead of linking to them");
  flags.Add("termination-log", &settings.termination_log,
            "write the last message to this file; without it to the pod's /dev/termination-log");
  flags.Add(
      "metrics-addr", &settings.metrics_address,
      "serve /metrics here while downloading (host:port or :port); off by default, since init "
      "containers of one node may share a network");
  auto fail = [&](const Error& error) {
    LastMessage(settings.termination_log).Final("kinglet-storage-initializer: " + error.message());
    return kExitUsage;
  };
  auto pairs = flags.Parse(argc, argv);
  if (flags.help_requested()) return std::fputs(flags.Help().c_str(), stdout) < 0;
  if (flags.version_requested()) {
    std::printf("%.*s\n", static_cast<int>(VersionText().size()), VersionText().data());
    return 0;
  }
  if (!pairs) return fail(pairs.error());
  auto level = ParseLogLevel(settings.log_level);
  auto format = ParseLogFormat(settings.log_format);
  auto stall = ParseDuration(settings.stall_timeout);
  auto timeout = settings.timeout.empty() ? Result<Duration>(Duration::zero())
                                          : ParseDuration(settings.timeout);
  if (!level) return fail(level.error());
  if (!format) return fail(format.error());
  if (!stall) return fail(stall.error());
  if (!timeout) return fail(timeout.error());
  ConfigureLog(*level, *format);
  if (pairs->empty() || pairs->size() % 2 != 0) {
    // As KServe's entry point: the usage, and success.
    std::printf("Usage: initializer-entrypoint src_uri dest_path [src_uri dest_path ...]\n");
    return 0;
  }
  storage::DownloadOptions options;
  options.environment = storage::Environment::FromProcess();
  options.stall_timeout = *stall;
  options.copy_local = settings.copy_local;
  if (*timeout > Duration::zero()) options.deadline = Deadline::After(*timeout);
  options.fetch.connections = static_cast<int>(std::clamp<int64_t>(settings.connections, 1, 256));
  options.fetch.chunk_bytes =
      static_cast<uint64_t>(std::clamp<int64_t>(settings.chunk_mib, 1, 1024)) << 20;
  return DownloadAll(settings, *pairs, std::move(options));
}

}  // namespace
}  // namespace kinglet

int main(int argc, char** argv) { return kinglet::Main(argc, argv); }
