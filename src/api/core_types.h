// The types of Kubernetes' own that objects carry as Json: enough of them to tell, as Kubernetes'
// clients do when they decode, a member of the wrong type. Unknown members are left alone.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::api {

// `type`: "Pod", a kind of KServe's that has pod specs ("InferenceService", "ServingRuntime"), of
// which what is Kubernetes' own and the status are looked at, or "Object" for the metadata of any kind. Nulls
// are zero values.
// kInvalidArgument with the paths of the findings.
Status CheckCoreTypes(std::string_view type, const Json& value);

}  // namespace kinglet::api
