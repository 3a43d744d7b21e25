// Reading JSON without what is not wanted of it.
#pragma once

#include <string_view>

#include "base/json.h"

namespace kinglet {

// As Json::Parse, but what lies at `parent`.`member`, wherever a `parent` is, is not built: of a
// Kubernetes object, metadata.managedFields is often half. All of the text must be well-formed.
Result<Json> ParseJsonWithout(std::string_view text, std::string_view parent,
                              std::string_view member);

}  // namespace kinglet
