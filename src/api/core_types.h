// The types of Kubernetes' own that objects carry as Json: enough of them to tell, as Kubernetes'
// clients do when they decode, a member of the wrong type. Unknown members are left alone.
#pragma once

#include <string_view>

#include "api/descriptor.h"
#include "base/json.h"
#include "base/result.h"

namespace kinglet::api {

// `type`: "Pod", or a kind of KServe's, of which the status and what is Kubernetes' own are looked
// at; of kinds without such members only the metadata. Nulls are zero values.
// kInvalidArgument with the paths of the findings.
Status CheckCoreTypes(std::string_view type, const Json& value);

// Decode<T> for an object that anybody may have written: what T keeps as Json has the right types
// too, so that it can be changed and merged.
template <class T>
Result<T> DecodeObject(std::string_view kind, const Json& object) {
  KINGLET_RETURN_IF_ERROR(CheckCoreTypes(kind, object));
  return Decode<T>(object);
}

}  // namespace kinglet::api
