// status of an InferenceService in Standard mode: conditions, URLs, the state of the model. Pure:
// what was observed goes in, the object's status is changed.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "control/inferenceservice/plan.h"
#include "control/inferenceservice/readiness.h"
#include "kube/conditions.h"
#include "kube/informer.h"

namespace kinglet::control {

// The condition set of an InferenceService: Ready over PredictorReady and IngressReady.
kube::ConditionSet Conditions(Json& object, const Clock& clock);

// "PredictorReady".
std::string ReadyType(ComponentKind kind);
bool IsComponentReady(const Json& object, ComponentKind kind);
// Whether its workload says that it is ready or that it is not.
bool IsComponentDecided(const Json& object, ComponentKind kind);

// A component from its Deployments: its condition, and its URL once it is available.
using ReadinessRule = std::function<std::optional<Readiness>(const Deployments&)>;
void SetComponentStatus(Json& object, ComponentKind kind, const Deployments& deployments,
                        const std::string& url, const ReadinessRule& rule, const Clock& clock);
void MarkComponent(Json& object, ComponentKind kind, const Readiness& readiness,
                   const Clock& clock);
// A component that cannot be made.
void MarkComponentFailure(Json& object, ComponentKind kind, std::string_view reason,
                          std::string_view message, const Clock& clock);

// What is known of the model of a predictor.
struct ModelEvidence {
  std::span<const kube::ObjectPtr> pods;  // of the newest revision
  bool failed = false;    // the workload says so itself; counts where no pod tells more
  bool is_newest = true;  // what is ready is the newest revision
};

// modelStatus by the newest of the pods. lastFailureInfo stays: it tells of the last failure, not
// of the present. False: a download that failed runs again, so that nothing can be said now; look
// again soon and write nothing.
bool SetModelStatus(Json& object, const ModelEvidence& evidence);
// modelStatus when no pod could be made: InvalidSpec.
void SetModelFailure(Json& object, const ModelFailure& failure);

// Conditions that say the same as before keep their time: marking one and then another moves the
// time of the condition that sums them up, and a status that differs by nothing else must not be
// written.
void KeepTransitionTimes(Json& object, const Json& before);

// "PredictorReady, IngressReady": the types whose status is False, for the event.
std::string FalseConditions(const Json& object);

}  // namespace kinglet::control
