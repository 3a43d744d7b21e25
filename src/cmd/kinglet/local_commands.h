// The implementations behind LocalCommands().
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace kinglet::cmd {

int Up(cli::Context& context, std::vector<std::string> arguments);
int Down(cli::Context& context, std::vector<std::string> arguments);
int Serve(cli::Context& context, std::vector<std::string> arguments);
int Pull(cli::Context& context, std::vector<std::string> arguments);

}  // namespace kinglet::cmd
