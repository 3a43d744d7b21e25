// The verbs: one request in, one answer out, over the store. Blocking (writes wait for the
// database and for admission); reads do not block, so they may run on an event loop. Watches and
// logs, which stream, are in watch.h and logs.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "local/apiserver/apiserver.h"
#include "local/apiserver/call.h"
#include "local/apiserver/openapi_cache.h"
#include "local/apiserver/registry.h"
#include "local/apiserver/status.h"
#include "local/apiserver/store.h"

namespace kinglet::local {

class Api {
 public:
  Api(Store& store, RegistryHolder& registry, const ApiServerOptions& options);

  http::Response Handle(const http::Request& request);
  // Whether the request only reads (and never waits).
  static bool ReadsOnly(std::string_view method) { return method == "GET" || method == "HEAD"; }

  Store& store() { return store_; }
  RegistryHolder& registry() { return registry_; }
  const ApiServerOptions& options() const { return options_; }
  OpenApiCache& openapi() { return openapi_; }

  // 401 unless the header carries the token (or none is needed).
  ApiStatus Authenticate(const http::Headers& headers) const;
  ApiResult<Reply> Dispatch(Call& call);

 private:
  ApiResult<Reply> DispatchResource(Call& call);

  Store& store_;
  RegistryHolder& registry_;
  const ApiServerOptions& options_;
  OpenApiCache openapi_;
};

// Verbs, one file each. `call.resource` is set.
ApiResult<Reply> Get(Api& api, Call& call);
ApiResult<Reply> List(Api& api, Call& call);
ApiResult<Reply> Create(Api& api, Call& call);
ApiResult<Reply> Update(Api& api, Call& call);
ApiResult<Reply> Patch(Api& api, Call& call);
ApiResult<Reply> Delete(Api& api, Call& call);
ApiResult<Reply> DeleteCollection(Api& api, Call& call);
ApiResult<Reply> Scale(Api& api, Call& call);
ApiResult<Reply> Review(Api& api, Call& call);           // review.h
std::optional<Reply> NonResource(Api& api, Call& call);  // discovery, OpenAPI, version, health

// Label and field selectors of a list, a watch or a deletecollection. 413 over max_bytes.
struct Selection {
  std::function<bool(const Json& object)> matches;  // empty: everything
};
ApiResult<Selection> ReadSelection(const Call& call, size_t max_bytes);

// The request's body as an object in storage version: parsed, of the right kind, unknown fields
// dealt with as fieldValidation asks, types checked.
ApiResult<Json> DecodeObject(Call& call);
ApiStatus CheckDecoded(Call& call, Json& object);
ApiResult<Json> ParseBody(const Call& call);

// The object's life: what create and update have in common. `object` becomes what is stored.
ApiResult<Reply> CreateObject(Api& api, Call& call, Json object,
                              const std::string& apply_manager = "");
// Every namespace has a ServiceAccount "default", which Kubernetes' controller manager makes.
void MakeDefaultAccount(Api& api, const std::string& name_space);

// One write of an existing object: `change` makes the new state from the current one (both in
// storage version) and runs again when somebody else was faster. Everything that must not change is
// put back, admission and validation run, the rest is stored.
using Change = std::function<ApiResult<Json>(const Json& current)>;
struct UpdateOptions {
  std::string operation = "Update";  // of managedFields: Update or Apply
  bool check_version = true;         // metadata.resourceVersion of the new state must be current
  bool managed_fields_done = false;  // `change` has written managedFields
};
ApiResult<Reply> UpdateObject(Api& api, Call& call, const Change& change,
                              const UpdateOptions& options = {});

struct DeleteOptions {
  std::optional<int64_t> grace_period;
  std::string propagation;            // "", Background, Foreground, Orphan
  std::string uid, resource_version;  // preconditions
  bool dry_run = false;
};
ApiResult<DeleteOptions> ReadDeleteOptions(const Call& call);
// Marks or removes one object; the reply is what a DELETE answers.
ApiResult<Reply> DeleteObject(Api& api, const Resource& resource, const ObjectRef& ref,
                              const DeleteOptions& options);

// The hook, and what it says as an error. May replace *object.
ApiStatus Admit(Api& api, Call& call, std::string_view operation, Json* object,
                const Json* old_object);

// Defaults of built-in kinds (defaults/*.cc) and checks beyond the schema (checks/*.cc).
void DefaultBuiltin(const Resource& resource, Json& object);
void ValidateMetadata(const Resource& resource, const Json& object,
                      std::vector<FieldError>& errors);
void ValidateBuiltin(const Resource& resource, const Json& object, const Json* old,
                     std::vector<FieldError>& errors);
// Service addresses: fills spec.clusterIP(s).
ApiStatus AllocateClusterIp(Api& api, Json& service, const Json* old);
// For Store::Put: kAborted when another service has got the address since it was chosen.
Status CheckClusterIp(const Store& store, const ObjectRef& ref, const Json& service);

// Spec fields of a CRD object that matter for the registry; after it was stored or removed.
void CrdStored(Api& api, const Json& crd);
void CrdRemoved(Api& api, const std::string& name);
ApiStatus CheckCrd(Api& api, const Json& crd);
// What the server itself says in a CRD's status.
void SetCrdStatus(Json& crd);

std::string NowRfc3339();

}  // namespace kinglet::local
