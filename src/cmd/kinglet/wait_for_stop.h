// Waiting for the signal that ends a command.
#pragma once

#include <stop_token>

namespace kinglet::cmd {

// Returns when `stop` is requested.
void WaitForStop(const std::stop_token& stop);

}  // namespace kinglet::cmd
