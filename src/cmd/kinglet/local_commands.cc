#include "cmd/kinglet/local_commands.h"

#include <ostream>

#include "base/flags.h"
#include "cmd/kinglet/commands.h"

namespace kinglet::cmd {
namespace {

int PrintVersion(cli::Context& context, std::vector<std::string>) {
  context.out << VersionText() << "\n";
  return 0;
}

constexpr cli::Command kCommands[] = {
    {"up", "start standalone mode on this machine", &Up},
    {"down", "stop standalone mode", &Down},
    {"serve", "serve one model folder, no YAML", &Serve},
    {"pull", "download a model: kinglet pull URI FOLDER", &Pull},
    {"version", "the version", &PrintVersion},
};

}  // namespace

std::span<const cli::Command> LocalCommands() { return kCommands; }

}  // namespace kinglet::cmd
