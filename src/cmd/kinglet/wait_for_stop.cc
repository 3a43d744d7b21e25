#include "cmd/kinglet/wait_for_stop.h"

#include <condition_variable>
#include <mutex>

namespace kinglet::cmd {

void WaitForStop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
}

}  // namespace kinglet::cmd
