// JSON inside of strings as KServe's encoder spells it, so that what compares such texts sees no
// difference: fields in the order of the Go types, keys of maps sorted, <, > and & escaped.
#pragma once

#include <string>

#include "base/json.h"

namespace kinglet::control {

// For the specs of graphs and the lists of models. Fields that it does not know come last, sorted.
std::string DumpAsGo(const Json& value);

}  // namespace kinglet::control
