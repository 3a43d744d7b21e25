// What should exist for one InferenceService. Pure: the same inputs give the same plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/child_applier.h"
#include "control/inferenceservice/canary.h"
#include "control/inferenceservice/component.h"

namespace kinglet::control {

struct Plan {
  struct Failure {
    ComponentKind component;
    ModelFailure what;
  };

  std::vector<ComponentPlan> components;  // in the order in which they are reconciled
  std::vector<DesiredObject> objects;     // in the order in which they are applied
  std::optional<Failure> failure;         // components after it are not planned
  std::vector<CanaryPlan> canaries;
};

// What was recorded, then the annotation, then the default. Unknown texts give the default.
api::Mode ModeOf(const api::InferenceService& isvc, api::Mode fallback);

// For Standard mode. May set in `isvc` what a runtime brings; the plan refers to its spec.
Plan MakePlan(api::InferenceService& isvc, const ComponentInput& input);

// Whether a child that is not planned is deleted. KServe 0.15 leaves what a removed component or
// another mode leaves behind, until the InferenceService goes. What scales follows its component's
// class, and what belongs to workers and canaries goes with them.
bool MayGo(const Plan& plan, const api::InferenceService& isvc, const kube::ResourceType& type,
           const Json& child);

// The services behind an Ingress.
struct IngressNames;
IngressNames IngressNamesOf(const Plan& plan);

}  // namespace kinglet::control
