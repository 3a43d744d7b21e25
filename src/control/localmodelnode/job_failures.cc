#include "control/localmodelnode/job_failures.h"

#include <algorithm>

#include "base/log.h"
#include "control/localmodelnode/download_job.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::control {

namespace {

constexpr size_t kMaxReason = 1024;

}  // namespace

std::string JobFailures::Explain(const Json& job) {
  std::string& why = by_uid_[kube::Uid(job)];
  if (why.empty()) why = LastWords(job);
  return fmt::format("download job {} failed{}{}{}", kube::Name(job), why.empty() ? "" : ": ", why,
                     IsJobOver(job) ? "; delete the job to try again" : "");
}

std::string JobFailures::LastWords(const Json& job) {
  std::string why;
  kube::ListOptions own;
  own.label_selector = fmt::format("batch.kubernetes.io/job-name={}", kube::Name(job));
  if (auto pods = client_.ListAll(kube::kPod, kube::Namespace(job), own)) {
    std::ranges::sort(*pods, {}, [](const Json& pod) { return kube::CreationTimestamp(pod); });
    for (const Json& pod : *pods) {
      for (const Json& status : pod["status"]["containerStatuses"].AsArray()) {
        const std::string& message = status["state"]["terminated"]["message"].AsString();
        if (!message.empty()) why = message;
      }
    }
  }
  if (why.empty()) {
    for (const Json& condition : job["status"]["conditions"].AsArray()) {
      if (condition["type"].AsString() == "Failed") why = condition["message"].AsString();
    }
  }
  if (why.size() > kMaxReason) why.resize(kMaxReason);
  return why;
}

}  // namespace kinglet::control
