// Checks of built-in kinds beyond their schema.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "local/apiserver/status.h"

namespace kinglet::local {

void ValidatePodSpec(const Json& spec, const std::string& path, std::vector<FieldError>& errors);
void ValidatePodUpdate(const Json& object, const Json& old, std::vector<FieldError>& errors);

}  // namespace kinglet::local
