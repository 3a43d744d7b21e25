// A subcommand of `kinglet`, and what it works with. Subcommands never touch the process's streams
// or environment themselves, so that tests can run them.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/client.h"
#include "kube/config.h"

namespace kinglet::cli {

struct Context {
  std::ostream& out;
  std::ostream& err;
  bool is_tty = false;  // progress and live updates
  bool colour = false;  // NO_COLOR is respected by whoever makes the context
  // Requested on SIGINT and SIGTERM.
  std::stop_token stop;
  // Connects to the API server of these options: ~/.kinglet/kubeconfig if it exists and nothing else
  // was asked for.
  std::function<Result<std::unique_ptr<kube::Client>>(const kube::ConfigOptions&)> connect;
  // All of standard input (for "-").
  std::function<Result<std::string>()> read_stdin;
  std::string default_namespace = "default";  // of the connected context
};

struct Command {
  std::string_view name;
  std::string_view summary;  // one line for the list of commands
  // Runs with the arguments after the name. Returns the exit status: 0 done, 1 failed (the reason is
  // on err), 2 wrong usage.
  int (*run)(Context& context, std::vector<std::string> arguments);
};

// The commands of this module.
std::span<const Command> Commands();

}  // namespace kinglet::cli
