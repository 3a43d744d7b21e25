#include "kube/conditions.h"

#include <algorithm>

namespace kinglet::kube {
namespace {

Json::Array& ConditionsOf(Json& object) {
  Json& list = object.Path({"status", "conditions"});
  if (!list.IsArray()) list = Json::MakeArray();
  return list.MutableArray();
}

Json ToJson(const Condition& condition, std::string_view transition) {
  Json out = Json::MakeObject({{"type", condition.type}, {"status", condition.status}});
  if (!condition.reason.empty()) out.Set("reason", condition.reason);
  if (!condition.message.empty()) out.Set("message", condition.message);
  if (!condition.severity.empty()) out.Set("severity", condition.severity);
  if (!transition.empty()) out.Set("lastTransitionTime", transition);
  return out;
}

}  // namespace

const Json* FindCondition(const Json& object, std::string_view type) {
  for (const Json& condition : object["status"]["conditions"].AsArray()) {
    if (condition["type"].AsString() == type) return &condition;
  }
  return nullptr;
}

const std::string& ConditionStatus(const Json& object, std::string_view type) {
  const Json* condition = FindCondition(object, type);
  static const std::string none;
  return condition ? (*condition)["status"].AsString() : none;
}

bool IsConditionTrue(const Json& object, std::string_view type) {
  return ConditionStatus(object, type) == "True";
}
bool IsConditionFalse(const Json& object, std::string_view type) {
  return ConditionStatus(object, type) == "False";
}

bool SetMetaCondition(Json& object, const Condition& condition, WallTime now) {
  Json::Array& list = ConditionsOf(object);
  auto it = std::find_if(list.begin(), list.end(), [&](const Json& item) {
    return item["type"].AsString() == condition.type;
  });
  bool found = it != list.end();
  bool same_status = found && (*it)["status"].AsString() == condition.status;
  std::string transition = same_status ? (*it)["lastTransitionTime"].AsString() : std::string();
  if (transition.empty()) transition = FormatRfc3339(now);
  Json next = Json::MakeObject({{"type", condition.type},
                                {"status", condition.status},
                                {"reason", condition.reason},
                                {"message", condition.message},
                                {"lastTransitionTime", transition}});
  if (condition.observed_generation) {
    next.Set("observedGeneration", condition.observed_generation);
  }
  if (!found) {
    list.push_back(std::move(next));
    return true;
  }
  // Fields of other writers (lastUpdateTime of Deployments) stay.
  Json merged = *it;
  for (auto& [key, value] : next.MutableObject()) merged.Set(key, value);
  if (merged == *it) return false;
  *it = std::move(merged);
  return true;
}

bool SetDuckCondition(Json& object, const Condition& condition, WallTime now) {
  Json::Array& list = ConditionsOf(object);
  auto it = std::find_if(list.begin(), list.end(), [&](const Json& item) {
    return item["type"].AsString() == condition.type;
  });
  if (it != list.end() && *it == ToJson(condition, (*it)["lastTransitionTime"].AsString())) {
    return false;
  }
  if (it != list.end()) list.erase(it);
  list.push_back(ToJson(condition, FormatRfc3339(now)));
  std::sort(list.begin(), list.end(), [](const Json& a, const Json& b) {
    return a["type"].AsString() < b["type"].AsString();
  });
  return true;
}

bool RemoveCondition(Json& object, std::string_view type) {
  if (!FindCondition(object, type)) return false;
  std::erase_if(ConditionsOf(object),
                [&](const Json& item) { return item["type"].AsString() == type; });
  return true;
}

ConditionSet::ConditionSet(Json& object, std::string happy, std::vector<std::string> dependents,
                           const Clock& clock)
    : object_(object),
      happy_(std::move(happy)),
      dependents_(std::move(dependents)),
      clock_(clock) {}

bool ConditionSet::IsDependent(std::string_view type) const {
  return std::find(dependents_.begin(), dependents_.end(), type) != dependents_.end();
}

std::string ConditionSet::Severity(std::string_view type) const {
  return type == happy_ || IsDependent(type) ? "" : "Info";
}

void ConditionSet::Write(std::string_view type, std::string_view status, std::string_view reason,
                         std::string_view message) {
  SetDuckCondition(object_,
                   {.type = std::string(type),
                    .status = std::string(status),
                    .reason = std::string(reason),
                    .message = std::string(message),
                    .severity = Severity(type)},
                   clock_.Wall());
}

void ConditionSet::Initialize() {
  if (!FindCondition(object_, happy_)) Write(happy_, "Unknown", "", "");
  std::string status = IsConditionTrue(object_, happy_) ? "True" : "Unknown";
  for (const std::string& type : dependents_) {
    if (!FindCondition(object_, type)) Write(type, status, "", "");
  }
}

void ConditionSet::SumUp(std::string_view changed) {
  // The latest unhappy dependent speaks for all; False before Unknown.
  const Json* worst = nullptr;
  size_t seen = 0;
  for (const Json& condition : object_["status"]["conditions"].AsArray()) {
    if (!IsDependent(condition["type"].AsString())) continue;
    ++seen;
    const std::string& status = condition["status"].AsString();
    if (status == "True") continue;
    bool failed = status == "False";
    if (worst) {
      bool worst_failed = (*worst)["status"].AsString() == "False";
      if (worst_failed && !failed) continue;
      if (worst_failed == failed &&
          (*worst)["lastTransitionTime"].AsString() >= condition["lastTransitionTime"].AsString()) {
        continue;
      }
    }
    worst = &condition;
  }
  if (worst) {
    Json copy = *worst;  // Write moves the list under it
    Write(happy_, copy["status"].AsString(), copy["reason"].AsString(), copy["message"].AsString());
  } else if (seen < dependents_.size()) {
    Write(happy_, "Unknown", "", "");
  } else if (changed != happy_) {
    Write(happy_, "True", "", "");
  }
}

void ConditionSet::MarkTrue(std::string_view type, std::string_view reason,
                            std::string_view message) {
  Write(type, "True", reason, message);
  SumUp(type);
}

void ConditionSet::MarkFalse(std::string_view type, std::string_view reason,
                             std::string_view message) {
  Write(type, "False", reason, message);
  if (IsDependent(type)) Write(happy_, "False", reason, message);
}

void ConditionSet::MarkUnknown(std::string_view type, std::string_view reason,
                               std::string_view message) {
  Write(type, "Unknown", reason, message);
  bool any_false = std::any_of(dependents_.begin(), dependents_.end(),
                               [&](const auto& name) { return IsConditionFalse(object_, name); });
  if (any_false) {
    // A failure weighs more than not knowing.
    if (!IsConditionFalse(object_, happy_)) Write(happy_, "False", reason, message);
  } else if (IsDependent(type)) {
    Write(happy_, "Unknown", reason, message);
  }
}

void ConditionSet::Set(const Condition& condition) {
  SetDuckCondition(object_, condition, clock_.Wall());
  if (IsDependent(condition.type)) SumUp(condition.type);
}

bool ConditionSet::Clear(std::string_view type) {
  if (type == happy_ || IsDependent(type)) return false;
  return RemoveCondition(object_, type);
}

bool ConditionSet::IsHappy() const { return IsConditionTrue(object_, happy_); }

}  // namespace kinglet::kube
