#include "cmd/kinglet-manager/service.h"

#include <malloc.h>

#include <cstdio>
#include <cstdlib>

#include "base/log.h"

namespace kinglet {

void LogOptions::AddTo(Flags& flags) {
  flags.Add("zap-log-level", &level, "debug, info, warning or error");
  flags.Add("zap-encoder", &format, "text or json (console is text)");
  for (const char* name : {"zap-devel", "zap-stacktrace-level", "zap-time-encoding"}) {
    flags.AddIgnored(name, "for the command lines of KServe");
  }
}

Status LogOptions::Apply() const {
  KINGLET_TRY(auto parsed_level, ParseLogLevel(level));
  KINGLET_TRY(auto parsed_format, ParseLogFormat(format == "console" ? "text" : format));
  ConfigureLog(parsed_level, parsed_format);
  return {};
}

std::string EnvironmentOr(const char* name, std::string_view otherwise) {
  const char* value = std::getenv(name);
  return std::string(value && *value ? value : otherwise);
}

int ServiceMain(int argc, char** argv, Flags& flags,
                const std::function<Status(const sigset_t& signals)>& run) {
  auto rest = flags.Parse(argc, argv);
  if (!rest || !rest->empty()) {
    std::fprintf(stderr, "%s: %s\n", flags.program().c_str(),
                 rest ? "takes no arguments besides flags" : rest.error().message().c_str());
    return 2;
  }
  if (flags.help_requested()) {
    std::fputs(flags.Help().c_str(), stdout);
    return 0;
  }
  if (flags.version_requested()) {
    std::printf("%s\n", std::string(VersionText()).c_str());
    return 0;
  }
  // Before any thread starts, so that all inherit the mask and sigwait gets the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // Thirty threads that mostly wait share one heap: it takes a third less memory, and no thread
  // allocates often enough to queue for it.
  mallopt(M_ARENA_MAX, 1);

  auto ended = run(signals);
  if (!ended) {
    LogError(fmt::format("{} ends", flags.program()), {{"error", ended.error().message()}});
    return 1;
  }
  return 0;
}

}  // namespace kinglet
