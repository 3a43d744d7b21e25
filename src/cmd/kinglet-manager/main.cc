// kinglet-manager: KServe's controllers and webhooks, as a Deployment on Kubernetes.
#include <malloc.h>

#include <csignal>
#include <cstdio>

#include "base/flags.h"
#include "base/log.h"
#include "cmd/kinglet-manager/manager.h"

int main(int argc, char** argv) {
  kinglet::ManagerOptions options;
  kinglet::Flags flags("kinglet-manager",
                       "Runs the controllers and webhooks of serving.kserve.io.");
  options.AddTo(flags);
  auto rest = flags.Parse(argc, argv);
  if (!rest || !rest->empty()) {
    std::fprintf(stderr, "kinglet-manager: %s\n",
                 rest ? "takes no arguments besides flags" : rest.error().message().c_str());
    return 2;
  }
  if (flags.help_requested()) {
    std::fputs(flags.Help().c_str(), stdout);
    return 0;
  }
  if (flags.version_requested()) {
    std::printf("%s\n", std::string(kinglet::VersionText()).c_str());
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

  auto ended = kinglet::RunManager(options, signals);
  if (!ended) {
    kinglet::LogError("kinglet-manager ends", {{"error", ended.error().message()}});
    return 1;
  }
  return 0;
}
