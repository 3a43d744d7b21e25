// What every subcommand begins with: flags, a connection, a namespace, the type a person named.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/flags.h"
#include "cli/command.h"
#include "kube/client.h"
#include "kube/discovery.h"

namespace kinglet::cli {

struct Session {
  std::unique_ptr<kube::Client> client;
  std::string ns;

  // "isvc", "pods", "deployments.apps". Well-known words need no question to the server.
  Result<kube::ResourceType> TypeNamed(std::string_view name);
  Result<kube::ResourceType> TypeOf(const Json& object);
};

// Parses into the flags' variables and `positional`. A value is the exit status to end with: help
// was asked for (0) or the usage is wrong (2).
std::optional<int> ParseArguments(Context& context, Flags& flags,
                                  std::vector<std::string> arguments,
                                  std::vector<std::string>* positional);

Result<Session> Open(Context& context, const kube::ConfigOptions& options);

// Prints "error: ..." with a hint for common causes; returns 1.
int FailWith(Context& context, const Error& error);
int Usage(Context& context, std::string_view text);  // returns 2

// "inferenceservice.serving.kserve.io/iris", as kubectl names an object. For people: control
// characters are escaped.
std::string DisplayName(const kube::ResourceType& type, std::string_view name);

// "TYPE NAME...", "TYPE/NAME...", "TYPE" (no names). kInvalidArgument for mixtures.
struct Targets {
  std::vector<kube::ResourceType> types;
  std::vector<std::string> names;  // empty: all; with names there is one type
};
Result<Targets> ParseTargets(Session& session, const std::vector<std::string>& positional);

}  // namespace kinglet::cli
