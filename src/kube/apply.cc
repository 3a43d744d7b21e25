#include "kube/apply.h"

#include <algorithm>

#include "kube/json_patch.h"

namespace kinglet::kube {
namespace {

// A list of scalars or references: what is missing is added.
void AddMissing(Json& metadata, const Json& desired, std::string_view list,
                std::string_view identity) {
  for (const Json& item : desired["metadata"][list].AsArray()) {
    Json& present = metadata.Ref(list);
    if (!present.IsArray()) present = Json::MakeArray();
    auto& all = present.MutableArray();
    auto same = std::find_if(all.begin(), all.end(), [&](const Json& other) {
      return identity.empty() ? other == item : other[identity] == item[identity];
    });
    if (same == all.end()) {
      all.push_back(item);
    } else {
      *same = item;
    }
  }
}

Json DefaultMerge(const Json& existing, const Json& desired) {
  Json out = existing;
  Json& metadata = out.Ref("metadata");
  for (std::string_view map : {"labels", "annotations"}) {
    for (const auto& [key, value] : desired["metadata"][map].AsObject()) {
      metadata.Ref(map).Set(key, value);
    }
  }
  AddMissing(metadata, desired, "ownerReferences", "uid");
  AddMissing(metadata, desired, "finalizers", "");
  for (const auto& [key, value] : desired.AsObject()) {
    if (key != "metadata" && key != "status") out.Set(key, value);
  }
  return out;
}

Json Comparable(Json object) {
  object.Erase("status");
  if (Json* metadata = object.Find("metadata"); metadata && metadata->IsObject()) {
    for (std::string_view field : {"managedFields", "resourceVersion", "generation"}) {
      metadata->Erase(field);
    }
  }
  return object;
}

Result<std::optional<Json>> Present(const Json& cached) {
  return cached.IsNull() ? std::nullopt : std::optional(cached);
}

Result<std::optional<Json>> Read(Client& client, const ResourceType& type, const ObjectKey& key) {
  auto object = client.Get(type, key);
  if (object) return std::optional(*std::move(object));
  if (object.error().code() == Code::kNotFound) return std::nullopt;
  return Unexpected(object.error());
}

Result<ApplyOutcome> CreateNew(Client& client, const ResourceType& type, const Json& desired,
                               const CreateOrUpdateOptions& options) {
  KINGLET_TRY(Json created, client.Create(type, desired, {.field_manager = options.field_manager}));
  return ApplyOutcome{Applied::kCreated, std::move(created), {}};
}

// A former owner of the same name is gone.
bool IsSuccessor(const Json& owner, const Json& former) {
  return owner["apiVersion"] == former["apiVersion"] && owner["kind"] == former["kind"] &&
         owner["name"] == former["name"];
}

// Whether a predecessor of the desired controller controls the object. kAlreadyExists if the object
// is not the desired controller's and must not become so.
Result<bool> IsInherited(const ResourceType& type, const Json& existing, const Json& desired,
                         const CreateOrUpdateOptions& options) {
  const Json* wanted = ControllerOf(desired);
  const Json* present = ControllerOf(existing);
  if (wanted && !present && options.may_adopt && !options.may_adopt(existing)) {
    return Fail(
        Code::kAlreadyExists,
        "{} \"{}\" exists and was not made for {} {}: delete it, or give the {} another name",
        type.GroupResource(), Name(existing), (*wanted)["kind"].AsString(),
        (*wanted)["name"].AsString(), (*wanted)["kind"].AsString());
  }
  if (!wanted || !present || (*wanted)["uid"] == (*present)["uid"]) return false;
  if (IsSuccessor(*wanted, *present)) return true;
  return Fail(Code::kAlreadyExists, "{} \"{}\" exists and is controlled by {} {}, not by {} {}",
              type.GroupResource(), Name(existing), (*present)["kind"].AsString(),
              (*present)["name"].AsString(), (*wanted)["kind"].AsString(),
              (*wanted)["name"].AsString());
}

void ReplaceController(Json& object, const Json& controller) {
  for (Json& owner : object.Ref("metadata").Ref("ownerReferences").MutableArray()) {
    if (owner["controller"].AsBool()) owner = controller;
  }
}

Result<ApplyOutcome> UpdateExisting(Client& client, const ResourceType& type, Json existing,
                                    const Json& desired, const CreateOrUpdateOptions& options) {
  bool inherited = false;
  if (options.check_controller) {
    KINGLET_TRY(inherited, IsInherited(type, existing, desired, options));
  }
  Json wish = desired;
  // Who owns it is alone no reason to write, as in KServe: the garbage collector removes what it
  // finds without its owner, and it is made anew.
  if (inherited)
    wish.Ref("metadata").Set("ownerReferences", existing["metadata"]["ownerReferences"]);
  Json next = options.merge ? options.merge(existing, wish) : DefaultMerge(existing, wish);
  if (SemanticallyEqual(Comparable(next), Comparable(existing))) {
    return ApplyOutcome{Applied::kUnchanged, std::move(existing), {}};
  }
  if (options.server_dry_run) {
    KINGLET_TRY(
        Json would,
        client.Update(type, next, {.dry_run = true, .field_manager = options.field_manager}));
    if (SemanticallyEqual(Comparable(would), Comparable(existing))) {
      return ApplyOutcome{Applied::kUnchanged, std::move(existing), {}};
    }
  }
  if (inherited) ReplaceController(next, *ControllerOf(desired));
  KINGLET_TRY(Json updated, client.Update(type, next, {.field_manager = options.field_manager}));
  Json diff = CreateJsonPatch(Comparable(existing), Comparable(updated));
  return ApplyOutcome{Applied::kUpdated, std::move(updated), std::move(diff)};
}

Result<Json> ChangeWithRetry(Client& client, const ResourceType& type, const ObjectKey& key,
                             const std::function<bool(Json&)>& change,
                             const std::string& subresource) {
  constexpr int kTries = 5;
  for (int attempt = 1;; ++attempt) {
    KINGLET_TRY(Json object, client.Get(type, key));
    if (!change(object)) return object;
    auto updated = client.Update(type, object, {.subresource = subresource});
    if (updated || updated.error().code() != Code::kAborted || attempt == kTries) return updated;
  }
}

Result<Json> PatchFinalizers(Client& client, const ResourceType& type, const Json& object,
                             const Json& changed) {
  Json metadata = Json::MakeObject({{"finalizers", changed["metadata"]["finalizers"]}});
  if (!ResourceVersion(object).empty()) metadata.Set("resourceVersion", ResourceVersion(object));
  return client.Patch(type, KeyOf(object), PatchType::kMerge,
                      Json::MakeObject({{"metadata", std::move(metadata)}}));
}

}  // namespace

std::string_view AppliedText(Applied what) {
  switch (what) {
    case Applied::kCreated:
      return "created";
    case Applied::kUpdated:
      return "configured";
    case Applied::kUnchanged:
      return "unchanged";
  }
  return "";
}

Result<ApplyOutcome> CreateOrUpdate(Client& client, const ResourceType& type, const Json& desired,
                                    const CreateOrUpdateOptions& options) {
  for (int attempt = 0;; ++attempt) {
    KINGLET_TRY(std::optional<Json> existing, attempt == 0 && options.cached
                                                  ? Present(*options.cached)
                                                  : Read(client, type, KeyOf(desired)));
    auto outcome = existing ? UpdateExisting(client, type, *existing, desired, options)
                            : CreateNew(client, type, desired, options);
    if (outcome || attempt >= options.conflict_retries) return outcome;
    // Somebody was faster: look again. (An existing object of another controller stays an error.)
    Code code = outcome.error().code();
    bool raced = code == Code::kAborted || (code == Code::kAlreadyExists && !existing) ||
                 (code == Code::kNotFound && existing);
    if (!raced) return outcome;
  }
}

Result<Json> UpdateStatusWithRetry(Client& client, const ResourceType& type, const ObjectKey& key,
                                   const std::function<bool(Json&)>& change) {
  return ChangeWithRetry(client, type, key, change, "status");
}

Result<Json> UpdateWithRetry(Client& client, const ResourceType& type, const ObjectKey& key,
                             const std::function<bool(Json&)>& change) {
  return ChangeWithRetry(client, type, key, change, "");
}

Result<Json> EnsureFinalizer(Client& client, const ResourceType& type, const Json& object,
                             std::string_view finalizer) {
  Json changed = object;
  if (!AddFinalizer(changed, finalizer)) return object;
  return PatchFinalizers(client, type, object, changed);
}

Result<Json> DropFinalizer(Client& client, const ResourceType& type, const Json& object,
                           std::string_view finalizer) {
  Json changed = object;
  if (!RemoveFinalizer(changed, finalizer)) return object;
  return PatchFinalizers(client, type, object, changed);
}

}  // namespace kinglet::kube
