#include "control/child_applier.h"

#include <algorithm>

#include "api/constants.h"
#include "base/encoding.h"
#include "base/log.h"
#include "control/child_merge.h"
#include "kube/apply.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kByOwner = "owner";

std::string ChildKey(const kube::ResourceType& type, const kube::ObjectKey& key) {
  return fmt::format("{}/{}", type.GroupResource(), key.ToString());
}

// Whoever may create an InferenceService must not thereby overwrite or delete objects of others
// that happen to have a child's name. Children bear their owner's name in a label or have it as
// their controller; those that KServe made over an object without controller have the label only.
bool IsMarkedAsChildOf(const Json& owner, const Json& object) {
  const bool of_graph = kube::Kind(owner) == kube::kInferenceGraph.kind;
  const std::string_view label =
      of_graph ? api::label::kInferenceGraph : api::label::kInferenceService;
  return kube::Label(object, label) == kube::Name(owner);
}

}  // namespace

ChildApplier::ChildApplier(kube::Client& client, std::vector<kube::Informer*> children)
    : client_(client), children_(std::move(children)) {
  for (auto* informer : children_) {
    informer->AddIndex(std::string(kByOwner), kube::IndexByControllerUid);
  }
}

kube::Informer* ChildApplier::InformerOf(const kube::ResourceType& type) const {
  for (auto* informer : children_) {
    if (informer->type() == type) return informer;
  }
  return nullptr;
}

Status ChildApplier::Apply(const Json& owner, const DesiredObject& desired) {
  Json object = desired.object;
  KINGLET_RETURN_IF_ERROR(kube::SetControllerReference(object, owner));
  const kube::ObjectKey key = kube::KeyOf(object);
  const std::string id = ChildKey(*desired.type, key);
  std::string wish = Sha256(object.Dump());
  kube::Informer* informer = InformerOf(*desired.type);
  if (informer && !informer->KindExists()) {
    return Fail(Code::kFailedPrecondition,
                "no matches for kind \"{}\" in version \"{}\": install what serves it; {} is then "
                "made by itself",
                desired.type->kind, desired.type->ApiVersion(), key.name);
  }
  kube::ObjectPtr seen = informer ? informer->Get(key) : nullptr;
  if (seen && IsAsApplied(id, wish, *seen)) return {};
  kube::CreateOrUpdateOptions options;
  options.merge = MergeChild;
  options.check_controller = true;
  options.may_adopt = [&](const Json& existing) { return IsMarkedAsChildOf(owner, existing); };
  if (informer && informer->HasSynced()) options.cached = seen ? *seen : Json();
  auto outcome = kube::CreateOrUpdate(client_, *desired.type, object, options);
  if (!outcome) {
    return Unexpected(
        outcome.error().WithContext(fmt::format("{} {}", desired.type->kind, key.name)));
  }
  if (outcome->what != kube::Applied::kUnchanged) {
    LogInfo("child applied", {{"kind", desired.type->kind},
                              {"name", key.ToString()},
                              {"what", kube::AppliedText(outcome->what)}});
  }
  applied_.With([&](Applied& applied) {
    applied.of_owner[kube::KeyOf(owner)].insert(id);
    applied.states[id] = {std::move(wish), ChildFingerprint(outcome->object),
                          kube::ResourceVersion(outcome->object)};
  });
  return {};
}

bool ChildApplier::IsAsApplied(const std::string& id, const std::string& wish, const Json& seen) {
  const std::string& version = kube::ResourceVersion(seen);
  return applied_.With([&](Applied& applied) {
    auto it = applied.states.find(id);
    if (it == applied.states.end() || it->second.wish != wish) return false;
    if (it->second.version == version) return true;
    if (it->second.result != ChildFingerprint(seen)) return false;
    it->second.version = version;  // spares the next pass the comparison
    return true;
  });
}

bool ChildApplier::IsOwnWrite(const Json& object) const {
  const kube::ResourceType* type =
      kube::FindKnownResource(object["apiVersion"].AsString(), kube::Kind(object));
  if (!type) return false;
  return applied_.With([&](const Applied& applied) {
    auto it = applied.states.find(ChildKey(*type, kube::KeyOf(object)));
    return it != applied.states.end() && it->second.version == kube::ResourceVersion(object);
  });
}

void ChildApplier::Forget(const kube::ObjectKey& owner) {
  applied_.With([&](Applied& applied) {
    auto it = applied.of_owner.find(owner);
    if (it == applied.of_owner.end()) return;
    for (const std::string& id : it->second) applied.states.erase(id);
    applied.of_owner.erase(it);
  });
}

void ChildApplier::ForgetUnwanted(const Json& owner, const std::vector<DesiredObject>& wanted) {
  std::set<std::string> kept;
  for (const DesiredObject& other : wanted) {
    kept.insert(ChildKey(*other.type, kube::KeyOf(other.object)));
  }
  applied_.With([&](Applied& applied) {
    auto it = applied.of_owner.find(kube::KeyOf(owner));
    if (it == applied.of_owner.end()) return;
    std::erase_if(it->second, [&](const std::string& id) {
      if (kept.contains(id)) return false;
      applied.states.erase(id);
      return true;
    });
  });
}

Status ChildApplier::DeleteOthers(const Json& owner, const std::vector<DesiredObject>& wanted,
                                  const MayGo& may_go) {
  // Before the look at the informers: a child that was applied but is not listed yet must be looked
  // at when its event comes, and not pass for a write of ours that tells nothing new.
  ForgetUnwanted(owner, wanted);
  for (auto* informer : children_) {
    for (const auto& key : informer->KeysByIndex(kByOwner, kube::Uid(owner))) {
      bool keep = std::ranges::any_of(wanted, [&](const DesiredObject& other) {
        return *other.type == informer->type() && kube::KeyOf(other.object) == key;
      });
      kube::ObjectPtr object = keep ? nullptr : informer->Get(key);
      if (!object || kube::IsDeleting(*object)) continue;
      if (may_go && !may_go(informer->type(), *object)) continue;
      LogInfo("child deleted",
              {{"kind", informer->type().kind}, {"name", kube::KeyOf(*object).ToString()}});
      KINGLET_RETURN_IF_ERROR(
          client_.DeleteIfExists(informer->type(), kube::KeyOf(*object),
                                 {.propagation = kube::DeleteOptions::Propagation::kBackground,
                                  .uid = kube::Uid(*object)}));
    }
  }
  return {};
}

}  // namespace kinglet::control
