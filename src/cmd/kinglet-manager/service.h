// What the long-running programs beside an API server have in common: kinglet-manager and
// kinglet-localmodel-agent.
#pragma once

#include <csignal>
#include <functional>
#include <string>
#include <string_view>

#include "base/flags.h"
#include "base/result.h"

namespace kinglet {

// The flags with which controller-runtime's programs say how to log; those without a meaning here
// are taken and left alone.
struct LogOptions {
  std::string level = "info", format = "text";

  void AddTo(Flags& flags);
  // Configures the process's log.
  Status Apply() const;
};

// A variable that is set and not empty, else `otherwise`.
std::string EnvironmentOr(const char* name, std::string_view otherwise);

// The whole of main(): flags, --help and --version, SIGTERM and SIGINT blocked in all threads and
// handed to `run`, which returns when one of them came. The exit status: 2 for wrong flags, 1 when
// `run` failed.
int ServiceMain(int argc, char** argv, Flags& flags,
                const std::function<Status(const sigset_t& signals)>& run);

}  // namespace kinglet
