// One thread that carries what containers write to their log files.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "local/kubelet/logs.h"

namespace kinglet::kubelet {

// Thread-safe.
class LogPump {
 public:
  LogPump();
  ~LogPump();  // stops; what is still in the pipes is dropped

  // The write ends of a container's stdout and stderr; the container's process must get them and
  // the caller close its copies. `token` names the pair from now on.
  struct Pipes {
    uint64_t token = 0;
    Fd out, err;
  };
  Result<Pipes> Open(std::filesystem::path log);
  // Waits until both pipes were read to their end; false at the deadline.
  bool WaitForEnd(uint64_t token, Deadline deadline);

 private:
  struct Stream {
    Fd fd;
    std::string_view name;
    std::shared_ptr<LogFile> file;
    uint64_t token;
  };
  void Run();
  void Close(int fd);

  Fd epoll_, wake_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<int, Stream> streams_;
  uint64_t last_token_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kinglet::kubelet
