// How many files and connections this process may have open.
#pragma once

#include <cstddef>

namespace kinglet {

// Raises the limit of open descriptors as far as it may be raised, to 65,536 at most, and returns
// what it is then. Whoever accepts connections from others takes no more than a part of it: what is
// left must do for the files and connections of the process itself.
size_t RaiseDescriptorLimit();

}  // namespace kinglet
