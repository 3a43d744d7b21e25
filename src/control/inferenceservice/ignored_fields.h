// Fields that an InferenceService may have and that do nothing in the mode it runs in. Pure.
#pragma once

#include <string>
#include <vector>

#include "control/inferenceservice/plan.h"

namespace kinglet::control {

struct IgnoredField {
  std::string reason;   // CamelCase, for the event
  std::string message;  // what and what to do
};

// Fields that KServe 0.15 accepts and ignores too: its status says nothing of them, so that an
// event has to.
std::vector<IgnoredField> FindIgnoredFields(const api::InferenceService& isvc, api::Mode mode,
                                            const api::Config& config);

}  // namespace kinglet::control
