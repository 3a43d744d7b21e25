// Why an InferenceService is not ready, in words. Pure: objects in, findings out.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "cli/finding.h"

namespace kinglet::cli {

struct Evidence {
  Json service;                           // InferenceService
  std::vector<Json> pods;                 // of it, newest first
  std::vector<Json> events;               // core/v1, about the service, its pods and deployments
  std::vector<Finding> model_cache = {};  // of the LocalModelCache that it is served from
};

// The likeliest cause first. Never empty.
std::vector<Finding> Diagnose(const Evidence& evidence);

// One line for a table: "", or the first finding.
std::string ShortReason(const Evidence& evidence);

}  // namespace kinglet::cli
