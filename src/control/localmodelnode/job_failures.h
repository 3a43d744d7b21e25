// Why download jobs failed, in the words of their pods.
#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "kube/client.h"

namespace kinglet::control {

// Not thread-safe.
class JobFailures {
 public:
  explicit JobFailures(kube::Client& client) : client_(client) {}

  // A sentence for people, with the next step. The API server is asked once a job.
  std::string Explain(const Json& job);

 private:
  std::string LastWords(const Json& job);

  kube::Client& client_;
  std::map<std::string, std::string> by_uid_;
};

}  // namespace kinglet::control
