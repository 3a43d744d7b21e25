// Pod IPs: addresses of 127.64.0.0/10, which every Linux machine answers on without set-up.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet::kubelet {

// Thread-safe.
class AddressPool {
 public:
  // The same uid gets the same address as long as it is free; `preferred` (what the pod's status
  // says from before a restart) comes first. kResourceExhausted when all 4 million are taken.
  Result<std::string> Take(std::string_view uid, std::string_view preferred = "");
  void Release(std::string_view address);

 private:
  std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> owner_;  // address -> uid
};

}  // namespace kinglet::kubelet
