// Lists inside pod specs and containers, made where absent.
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"

namespace kinglet::api {

// The variables of a container; none where it has none.
std::span<Json> EnvsOf(Json& container);
void SetEnv(Json& container, std::string_view name, std::string_view value);  // overwrites `value`
// Replaces only the value of a variable that is there already; adds it as it is otherwise.
void MergeEnv(Json& container, const Json& env);

void AddVolumeMount(Json& container, Json mount);
bool HasVolumeMount(const Json& container, std::string_view volume);
// Does nothing where a volume of that name is there.
void AddVolume(Json& pod_spec, Json volume);

Json VolumeMount(std::string_view name, std::string_view path, bool read_only = false);
Json EmptyDirVolume(std::string_view name);

}  // namespace kinglet::api
