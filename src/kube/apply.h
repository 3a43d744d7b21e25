// Bringing one object to a desired state, with as few writes as possible.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::kube {

enum class Applied { kCreated, kUpdated, kUnchanged };
std::string_view AppliedText(Applied what);  // "created", "configured", "unchanged"

struct ApplyOutcome {
  Applied what = Applied::kUnchanged;
  Json object;  // as the server has it
  Json diff;    // JSON Patch from what was to what is; empty unless updated
};

struct CreateOrUpdateOptions {
  // Makes what to write from what is there. Default: labels, annotations, owner references and
  // finalizers of `desired` are put over the existing ones; every other member but metadata and
  // status is replaced by the desired one; resourceVersion is kept.
  std::function<Json(const Json& existing, const Json& desired)> merge;
  // Asks the server with dryRun what it would store, so that its defaults are not taken for
  // differences. Without it the merged object is compared as it is.
  bool server_dry_run = true;
  std::string field_manager = "kinglet";
  // Refuse to touch an object that another one controls (kAlreadyExists). One of a former
  // controller of the same name is taken over with the first difference.
  bool check_controller = false;
  // With check_controller: whether an existing object that nothing controls may be taken over;
  // otherwise it is refused like one that another object controls. Unset: all may.
  std::function<bool(const Json& existing)> may_adopt = {};
  int conflict_retries = 4;
  // What the caller's cache has of the object (null: nothing), which saves the first read. A stale
  // cache costs a refused write, after which the server is asked.
  std::optional<Json> cached = std::nullopt;
};

Result<ApplyOutcome> CreateOrUpdate(Client& client, const ResourceType& type, const Json& desired,
                                    const CreateOrUpdateOptions& options = {});

// Get, change, write status; again on conflict. `change` returns whether there is anything to
// write.
Result<Json> UpdateStatusWithRetry(Client& client, const ResourceType& type, const ObjectKey& key,
                                   const std::function<bool(Json& object)>& change);
// The same for the whole object.
Result<Json> UpdateWithRetry(Client& client, const ResourceType& type, const ObjectKey& key,
                             const std::function<bool(Json& object)>& change);

// Merge patches of metadata.finalizers guarded by resourceVersion; return the object as stored.
Result<Json> EnsureFinalizer(Client& client, const ResourceType& type, const Json& object,
                             std::string_view finalizer);
Result<Json> DropFinalizer(Client& client, const ResourceType& type, const Json& object,
                           std::string_view finalizer);

}  // namespace kinglet::kube
