#include "kube/wait.h"

#include <random>

namespace kinglet::kube {

Duration Jittered(Duration duration, double fraction) {
  thread_local std::minstd_rand engine{std::random_device{}()};
  double more = std::uniform_real_distribution<double>(0, fraction)(engine);
  return duration +
         std::chrono::duration_cast<Duration>(std::chrono::duration<double>(duration) * more);
}

}  // namespace kinglet::kube
