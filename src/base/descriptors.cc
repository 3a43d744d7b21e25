#include "base/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace kinglet {

size_t RaiseDescriptorLimit() {
  constexpr rlim_t kEnough = 65'536, kUnknown = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUnknown;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kEnough);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = wanted;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return static_cast<size_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
}

}  // namespace kinglet
