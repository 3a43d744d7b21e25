// Why an InferenceService is not ready, in words. Pure: objects in, findings out.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace kinglet::cli {

struct Finding {
  enum class Level { kGood, kWaiting, kProblem };
  Level level = Level::kProblem;
  std::string what;  // a sentence
  std::string next;  // what to do, "" nothing
};

struct Evidence {
  Json service;              // InferenceService
  std::vector<Json> pods;    // of it, newest first
  std::vector<Json> events;  // core/v1, about the service, its pods and deployments
};

// The likeliest cause first. Never empty.
std::vector<Finding> Diagnose(const Evidence& evidence);

// One line for a table: "", or the first finding.
std::string ShortReason(const Evidence& evidence);

}  // namespace kinglet::cli
