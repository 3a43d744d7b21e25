// What is served: /api, /apis, their groups and versions, the aggregated form, /version.
#pragma once

#include "base/json.h"
#include "local/apiserver/call.h"

namespace kinglet::local {

Json ApiVersions();                                               // /api
Json ApiGroupList(const Registry& registry);                      // /apis
Json ApiGroup(const Registry& registry, std::string_view group);  // null: unknown
Json ApiResourceList(const Registry& registry, std::string_view group, std::string_view version);
// apidiscovery.k8s.io APIGroupDiscoveryList of /api (core) or /apis (the others).
Json GroupDiscoveryList(const Registry& registry, bool core, std::string_view version);
Json VersionInfo();  // /version

}  // namespace kinglet::local
