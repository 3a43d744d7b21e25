// Fields that an InferenceService may have and that do nothing in the mode it runs in. Pure.
#pragma once

#include <vector>

#include "control/inferenceservice/plan.h"

namespace kinglet::control {

// Canaries outside of Serverless mode: users would believe that traffic is split.
void FindUnsupportedCanary(const api::InferenceService& isvc, std::vector<Unsupported>& out);

// Fields that KServe 0.15 accepts and ignores too: its status says nothing of them, so that an
// event has to.
std::vector<Unsupported> FindIgnoredFields(const api::InferenceService& isvc, api::Mode mode,
                                           const api::Config& config);

}  // namespace kinglet::control
