// Which classes and functions a model's pickle may name. Naming one never calls it; the list exists
// so that a pickle made to run code is refused for what it is, before anything else is read.
#pragma once

#include <string_view>

#include "base/result.h"

namespace kinglet::runtimes::pickle {

// An error naming the class where it is not on the list.
Status CheckGlobal(std::string_view module, std::string_view name);

}  // namespace kinglet::runtimes::pickle
