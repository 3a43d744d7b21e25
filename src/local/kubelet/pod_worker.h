// The life of one pod, on a thread of its own: set up, init containers in order, containers,
// restarts, status, and the orderly end.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "local/kubelet/container_runner.h"
#include "local/kubelet/context.h"
#include "local/kubelet/pod_runtime.h"
#include "local/kubelet/status.h"

namespace kinglet::kubelet {

class PodWorker {
 public:
  // Starts the thread. `context` must outlive the worker.
  PodWorker(Context& context, Json pod);
  ~PodWorker();  // kills what runs and joins

  // A newer version of the pod. Any thread.
  void Update(Json pod);
  // The pod is gone from the API without having waited for us. Any thread.
  void Vanished();
  // The kubelet stops: end the processes (SIGTERM, at the deadline SIGKILL), keep the pod in the
  // API and its folder. Any thread; Join follows.
  void ShutDown(Deadline deadline);
  void Join();
  // The thread has nothing more to do. Any thread.
  bool Finished() const { return finished_; }

  // For logs: whether the run of that log may still write. Any thread.
  struct LogRun {
    int run = 0;
    bool exists = false, live = false;
  };
  LogRun FindLogRun(const std::string& container, bool previous) const;

 private:
  enum class Ending { kNo, kDeleted, kVanished, kShutDown };

  void Run();
  void Post(std::move_only_function<void()> f);
  void WaitForWork();
  void MakeContainers();
  bool Step();  // true when the worker is done
  void SetUp();
  void StepInit(SteadyTime now, bool* ready_for_main);
  void StepMain(SteadyTime now);
  bool ShouldRestart(const ContainerRunner& container) const;
  void BeginEnd(Ending ending, Duration grace);
  bool StepEnd(SteadyTime now);
  void PublishStatus();
  void PublishRuns();
  PodState State() const;
  std::string RestartPolicy() const;

  Context& context_;
  PodRuntime runtime_;
  std::vector<std::unique_ptr<ContainerRunner>> containers_;
  std::optional<WallTime> start_time_;
  bool terminal_ = false;  // Succeeded or Failed: nothing runs any more
  bool ever_ready_ = false;
  std::string setup_error_;
  Duration setup_delay_ = std::chrono::milliseconds(100);
  SteadyTime setup_at_{};
  Ending ending_ = Ending::kNo;
  SteadyTime end_deadline_{};
  bool sidecars_stopping_ = false;
  Json published_;
  SteadyTime publish_at_{};  // again after a failed write
  bool publish_failed_ = false;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::move_only_function<void()>> inbox_;
  std::map<std::string, LogRun> runs_;
  bool closed_ = false;
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace kinglet::kubelet
