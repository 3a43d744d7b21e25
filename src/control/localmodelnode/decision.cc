#include "control/localmodelnode/decision.h"

#include <algorithm>

#include "control/localmodelnode/download_job.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kPending = "ModelDownloadPending", kError = "ModelDownloadError",
                           kDownloaded = "ModelDownloaded";
constexpr int64_t kFirstPause = 30, kLongestPause = 1800;  // seconds

// The first time at once, then after pauses that double.
int64_t PauseBefore(int attempt) {
  if (attempt == 0) return 0;
  return std::min(kLongestPause, kFirstPause << std::min(attempt - 1, 16));
}

Decision BringAgain(const ModelRecord& record, const std::string& why, int64_t now) {
  Decision out{.action = Decision::Action::kNothing, .state = std::string(kPending)};
  if (record.attempts >= kMaxAttempts) {
    out.state = kError;
    out.reason = fmt::format(
        "{}; it was downloaded again {} times and did not last. Look at the node's disk, then "
        "change annotation serving.kserve.io/retry of the LocalModelNode",
        why, record.attempts);
    return out;
  }
  const int64_t due = record.last_attempt + PauseBefore(record.attempts);
  if (record.attempts > 0 && now < due) {
    out.wait = std::chrono::seconds(due - now);
    out.reason = fmt::format("{}; downloads again {} s after the last time (attempt {} of {})", why,
                             PauseBefore(record.attempts), record.attempts + 1, kMaxAttempts);
    return out;
  }
  out.action = Decision::Action::kDownload;
  out.again = true;
  out.damage = why;
  out.reason =
      fmt::format("{}; downloads again (attempt {} of {})", why, record.attempts + 1, kMaxAttempts);
  return out;
}

Decision FollowTwin(const ModelFacts& facts) {
  if (facts.twin_whole) {
    return {.action = Decision::Action::kShare, .state = std::string(kDownloaded)};
  }
  return {.state = facts.twin->state, .reason = facts.twin->reason, .wait = facts.twin->wait};
}

}  // namespace

Decision Decide(const ModelFacts& facts, int64_t now) {
  using enum Decision::Action;
  if (facts.room == Room::kGive) {
    return {.action = kRemove,
            .state = std::string(kPending),
            .reason =
                "the node group's storageLimit is reached, and the models that stay were "
                "used later"};
  }
  if (facts.room == Room::kTooBig) {
    return {.action = kRemove,
            .state = std::string(kError),
            .reason =
                "the model does not fit into the node group's storageLimit beside those that "
                "InferenceServices use"};
  }
  if (facts.health == Health::kWhole) return {.state = std::string(kDownloaded)};

  const ModelRecord& record = facts.record;
  const bool spent = facts.job && kube::Uid(*facts.job) == record.spent_job;
  const Json* job = spent ? nullptr : facts.job;
  if (!job) {
    if (facts.twin) return FollowTwin(facts);
    if (!record.damage.empty()) return BringAgain(record, record.damage, now);
    return {.action = kDownload, .state = std::string(kPending)};
  }
  Decision out{.state = ModelStateOfJob(*job)};
  if (out.state != kDownloaded) {
    if (out.state != kError && !record.damage.empty()) {
      out.reason = fmt::format("{}; downloads again (attempt {} of {})", record.damage,
                               record.attempts, kMaxAttempts);
    }
    return out;
  }
  if (facts.health == Health::kUnknown) {
    out.action = kAdopt;
    return out;
  }
  return BringAgain(record,
                    record.whole ? "the model's folder is gone"
                                 : "the download succeeded, but the model's folder is not there: "
                                   "the node group's volume and the agent's may differ",
                    now);
}

}  // namespace kinglet::control
