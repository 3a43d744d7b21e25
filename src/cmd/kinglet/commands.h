// The subcommands that need more layers than cli may see.
#pragma once

#include <span>

#include "cli/command.h"

namespace kinglet::cmd {

// up, down, serve, pull, version.
std::span<const cli::Command> LocalCommands();

}  // namespace kinglet::cmd
