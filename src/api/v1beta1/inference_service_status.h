// The status of an InferenceService: its schema. The status itself is handled as Json, since
// clients and later releases add to it.
#pragma once

#include "base/json.h"

namespace kinglet::api {

// Members for the schema of `status`.
Json InferenceServiceStatusSchema();
// The schema of a list of conditions in Knative's form.
Json ConditionsSchema();
// An object with these properties that keeps what it does not know.
Json OpenObject(std::initializer_list<Json::Member> properties);

}  // namespace kinglet::api
