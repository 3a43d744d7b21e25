// status.conditions, in the two dialects that are around.
//
// metav1.Condition (core types, our newer kinds): keeps the order of insertion, lastTransitionTime
// moves when `status` changes.
// Knative duck conditions (InferenceService, Knative Service): sorted by type, `severity`,
// lastTransitionTime moves when anything changes; one "happy" condition sums up its dependents.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace kinglet::kube {

struct Condition {
  std::string type;
  std::string status;  // "True", "False", "Unknown"
  std::string reason;
  std::string message;
  std::string severity;             // duck only: "" (error), "Warning", "Info"
  int64_t observed_generation = 0;  // metav1 only; 0: left out
};

// In object.status.conditions; null where there is none.
const Json* FindCondition(const Json& object, std::string_view type);
// "True", "False", "Unknown" or "" when the condition is missing.
const std::string& ConditionStatus(const Json& object, std::string_view type);
bool IsConditionTrue(const Json& object, std::string_view type);
bool IsConditionFalse(const Json& object, std::string_view type);

// Both write into object.status.conditions and return whether anything changed.
bool SetMetaCondition(Json& object, const Condition& condition, WallTime now);
bool SetDuckCondition(Json& object, const Condition& condition, WallTime now);
bool RemoveCondition(Json& object, std::string_view type);

// Knative's living condition set: `happy` (Ready) is True when all dependents are. Works on one
// object at a time; keeps references, so it must not outlive the object.
class ConditionSet {
 public:
  ConditionSet(Json& object, std::string happy, std::vector<std::string> dependents,
               const Clock& clock);

  // Unset conditions become Unknown (True where happy is True already).
  void Initialize();
  void MarkTrue(std::string_view type, std::string_view reason = "", std::string_view message = "");
  void MarkFalse(std::string_view type, std::string_view reason, std::string_view message);
  void MarkUnknown(std::string_view type, std::string_view reason, std::string_view message);
  // Copies a condition of a child as it is and sums up again.
  void Set(const Condition& condition);
  // Only for conditions that are not dependents; others are left alone (returns false).
  bool Clear(std::string_view type);
  bool IsHappy() const;

 private:
  bool IsDependent(std::string_view type) const;
  std::string Severity(std::string_view type) const;
  void SumUp(std::string_view changed);
  void Write(std::string_view type, std::string_view status, std::string_view reason,
             std::string_view message);

  Json& object_;
  std::string happy_;
  std::vector<std::string> dependents_;
  const Clock& clock_;
};

}  // namespace kinglet::kube
