// The functions behind the table of commands, one file each.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace kinglet::cli {

int Get(Context& context, std::vector<std::string> arguments);
int Apply(Context& context, std::vector<std::string> arguments);
int Delete(Context& context, std::vector<std::string> arguments);
int Wait(Context& context, std::vector<std::string> arguments);
int Logs(Context& context, std::vector<std::string> arguments);
int Predict(Context& context, std::vector<std::string> arguments);
int ShowStatus(Context& context, std::vector<std::string> arguments);
int Doctor(Context& context, std::vector<std::string> arguments);
int Completion(Context& context, std::vector<std::string> arguments);

}  // namespace kinglet::cli
