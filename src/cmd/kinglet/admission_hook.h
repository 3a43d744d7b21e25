// Admission in process: the same mutators and validators that kinglet-manager serves as webhooks.
#pragma once

#include <atomic>
#include <memory>

#include "kube/client.h"
#include "local/apiserver/apiserver.h"

namespace kinglet::standalone {

class AdmissionHook {
 public:
  AdmissionHook();
  ~AdmissionHook();

  // The client admission reads with (configuration, secrets, runtimes). Until then everything is
  // admitted: only the API server's own objects exist.
  void Connect(kube::Client& client);
  // Any thread.
  local::AdmissionReview Review(const local::AdmissionRequest& request);

 private:
  struct Impl;
  std::atomic<Impl*> connected_ = nullptr;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::standalone
