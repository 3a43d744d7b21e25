// Writes of the objects that a controller makes for its own ones, only where something differs.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"
#include "kube/informer.h"

namespace kinglet::control {

struct DesiredObject {
  const kube::ResourceType* type;
  Json object;  // without owner reference
};

// Thread-safe. One for each kind of owner.
class ChildApplier {
 public:
  // The kinds of children that are watched: only they are compared without asking the server, and
  // only they are deleted when not wanted any more. Client and informers must outlive this.
  ChildApplier(kube::Client& client, std::vector<kube::Informer*> children);

  // Brings one child to its desired state. Skips the API call if neither the live nor the desired
  // object changed since the last call. kAlreadyExists if the object exists and is not the owner's:
  // another object controls it, or none does and it lacks the owner's label.
  Status Apply(const Json& owner, const DesiredObject& desired);
  // Whether the object is as a write of this applier left it: its event tells nothing new.
  bool IsOwnWrite(const Json& object) const;
  // Drops what is remembered of the children of an owner that is gone.
  void Forget(const kube::ObjectKey& owner);
  using MayGo = std::function<bool(const kube::ResourceType& type, const Json& object)>;
  // Deletes children of the owner that are not among `wanted`; only those that may go, where that
  // is asked.
  Status DeleteOthers(const Json& owner, const std::vector<DesiredObject>& wanted,
                      const MayGo& may_go = {});

 private:
  // Of a child that was applied: digests of the wish and of what the server made of it.
  struct AppliedState {
    std::string wish, result;
    std::string version;  // the resourceVersion with that result
  };
  struct Applied {
    std::map<std::string, AppliedState> states;                 // by kind and key
    std::map<kube::ObjectKey, std::set<std::string>> of_owner;  // which of them
  };
  void ForgetUnwanted(const Json& owner, const std::vector<DesiredObject>& wanted);
  bool IsAsApplied(const std::string& id, const std::string& wish, const Json& seen);
  kube::Informer* InformerOf(const kube::ResourceType& type) const;

  kube::Client& client_;
  const std::vector<kube::Informer*> children_;
  Guarded<Applied> applied_;
};

}  // namespace kinglet::control
