#include "kube/merge_patch.h"

namespace kinglet::kube {

Json ApplyMergePatch(Json target, const Json& patch) {
  if (!patch.IsObject()) return patch;
  if (!target.IsObject()) target = Json::MakeObject();
  for (const auto& [key, value] : patch.AsObject()) {
    if (value.IsNull()) {
      target.Erase(key);
    } else if (value.IsObject()) {
      Json& member = target.Ref(key);
      member = ApplyMergePatch(std::move(member), value);
    } else {
      target.Set(key, value);
    }
  }
  return target;
}

Json CreateMergePatch(const Json& from, const Json& to) {
  if (!from.IsObject() || !to.IsObject()) return to;
  Json patch = Json::MakeObject();
  for (const auto& [key, value] : from.AsObject()) {
    if (!to.Has(key)) patch.Set(key, nullptr);
  }
  for (const auto& [key, value] : to.AsObject()) {
    const Json* old = from.Find(key);
    if (!old) {
      patch.Set(key, value);
    } else if (!(*old == value)) {
      patch.Set(key, CreateMergePatch(*old, value));
    }
  }
  return patch;
}

}  // namespace kinglet::kube
