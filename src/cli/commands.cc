#include "cli/commands.h"

namespace kinglet::cli {

std::span<const Command> Commands() {
  static constexpr Command kCommands[] = {
      {"apply", "create or change what files describe: apply -f FILE", &Apply},
      {"get", "list objects or show one: get isvc [NAME]", &Get},
      {"status", "the inference services, their URLs and what keeps them from being ready",
       &ShowStatus},
      {"wait", "wait until inference services are ready: wait NAME", &Wait},
      {"predict", "ask a model: predict NAME -d @input.json", &Predict},
      {"logs", "the logs of a model server: logs -f NAME", &Logs},
      {"doctor", "say why something is not ready, and what to do next", &Doctor},
      {"delete", "delete objects: delete isvc NAME, delete -f FILE", &Delete},
      {"completion", "shell completion: completion bash|zsh|fish", &Completion},
  };
  return kCommands;
}

}  // namespace kinglet::cli
