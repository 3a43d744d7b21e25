// kinglet-health: probes of a predictor that spans nodes. Exit status 0 is healthy, 1 is not.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/flags.h"
#include "base/version.h"
#include "health/probes.h"

namespace kinglet {
namespace {

using health::ProbeOptions;

std::string EnvOr(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : std::move(fallback);
}

// RAY_NODE_COUNT, by which later releases say what 0.15 says by PIPELINE_PARALLEL_SIZE.
int64_t NodesOfEnvironment() {
  const std::string text = EnvOr("RAY_NODE_COUNT", EnvOr("PIPELINE_PARALLEL_SIZE", "2"));
  int64_t nodes = 2;
  std::from_chars(text.data(), text.data() + text.size(), nodes);
  return nodes;
}

struct Command {
  std::string_view name;
  std::vector<Status (*)(const ProbeOptions&)> checks;
};

const Command kCommands[] = {
    {"runtime-health", {health::CheckServer}},
    {"registered-nodes", {health::CheckNodes}},
    {"registered-node-and-runtime-health", {health::CheckNodes, health::CheckServer}},
    {"registered-node-and-runtime-models", {health::CheckNodes, health::CheckModels}},
};

int Usage(const Flags& flags) {
  std::fputs(flags.Help().c_str(), stdout);
  std::puts("\nCommands:");
  for (const auto& command : kCommands) {
    std::printf("  %.*s\n", static_cast<int>(command.name.size()), command.name.data());
  }
  return 0;
}

int Main(int argc, char** argv) {
  ProbeOptions options{.ray_address = EnvOr("RAY_ADDRESS", "auto"),
                       .nodes = NodesOfEnvironment(),
                       .model = EnvOr("ISVC_NAME", "")};
  std::string server_url, models_url, probe_name;
  int64_t interval = 2;
  Flags flags("kinglet-health", "Probes a model server that spans nodes with Ray: COMMAND [flags]");
  flags.Add("ray-address", &options.ray_address, "host:port of Ray's GCS (RAY_ADDRESS)");
  flags.Add("isvc-name", &options.model, "the model that the server must list (ISVC_NAME)");
  flags.Add("pipeline-parallel-size", &options.nodes, "nodes that must be alive");
  flags.Add("ray-node-count", &options.nodes, "the same");
  flags.Add("retries", &options.retries, "how often nodes are counted again");
  flags.Add("interval", &interval, "seconds between");
  flags.Add("health-check-url", &server_url, "what the server must answer with 200");
  flags.Add("runtime-url", &models_url, "the server's list of models");
  flags.Add("probe-name", &probe_name, "for the message");
  auto arguments = flags.Parse(argc, argv);
  if (flags.version_requested()) {
    std::printf("%.*s\n", static_cast<int>(VersionText().size()), VersionText().data());
    return 0;
  }
  if (flags.help_requested()) return Usage(flags);
  if (!arguments) {
    std::fprintf(stderr, "kinglet-health: %s\n", arguments.error().message().c_str());
    return 2;
  }
  if (arguments->empty()) return Usage(flags);
  // KServe writes the names with underscores.
  std::string name = (*arguments)[0];
  std::ranges::replace(name, '_', '-');
  const auto* command = std::ranges::find(kCommands, name, &Command::name);
  if (command == std::end(kCommands)) {
    std::fprintf(stderr, "kinglet-health: no command %s\n", name.c_str());
    return 2;
  }
  options.interval = std::chrono::seconds(interval);
  options.url = models_url.empty() ? server_url : models_url;
  for (auto* check : command->checks) {
    if (auto healthy = check(options); !healthy) {
      std::fprintf(stderr, "%s Probe: Unhealthy: %s\n", probe_name.c_str(),
                   healthy.error().message().c_str());
      return 1;
    }
  }
  std::printf("%s Probe: Healthy\n", probe_name.c_str());
  return 0;
}

}  // namespace
}  // namespace kinglet

int main(int argc, char** argv) { return kinglet::Main(argc, argv); }
