// metadata.managedFields: who owns which field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "local/apiserver/field_set.h"
#include "local/apiserver/registry.h"
#include "local/apiserver/status.h"

namespace kinglet::local {

struct Manager {
  std::string name, operation, api_version, subresource, time;
  FieldSet fields;
  bool Same(const Manager& other) const {
    return name == other.name && operation == other.operation && api_version == other.api_version &&
           subresource == other.subresource;
  }
};

std::vector<Manager> ReadManagers(const Json& object);
void WriteManagers(Json& object, const std::vector<Manager>& managers);

// After a create or an update: what changed from `old` (null for a create) to `object` belongs to
// this manager now and to nobody else. `object` holds the managers to begin with.
void TrackUpdate(const Schema& schema, const Json* old, Json& object, Manager manager);

// Server-side apply of `config` on `live` (null: it does not exist yet). Gives the new object with
// managedFields. Conflicts with other managers are an error unless forced.
ApiResult<Json> ApplyConfiguration(const Schema& schema, const Json* live, const Json& config,
                                   Manager manager, bool force);

}  // namespace kinglet::local
