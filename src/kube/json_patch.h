// JSON Patch, RFC 6902, and JSON Pointer, RFC 6901.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::kube {

// All operations or none. kInvalidArgument: not a patch; kFailedPrecondition: a path does not exist
// or a test failed. At most 10,000 operations, as in the API server.
Result<Json> ApplyJsonPatch(Json target, const Json& patch);
// A patch that turns `from` into `to`: arrays element by element, tails added or removed. "[]"
// where equal.
Json CreateJsonPatch(const Json& from, const Json& to);

Result<std::vector<std::string>> ParseJsonPointer(std::string_view pointer);
// "/" and "~" escaped, for building pointers.
std::string EscapePointerToken(std::string_view token);

}  // namespace kinglet::kube
