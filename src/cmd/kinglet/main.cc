// kinglet: one program for people. Subcommands live in cli/ and in local_commands.cc; this file
// finds the one that was asked for.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <thread>

#include <pthread.h>
#include <unistd.h>

#include "base/flags.h"
#include "cli/command.h"
#include "cmd/kinglet/commands.h"
#include "cmd/kinglet/data_dir.h"

namespace {

using namespace kinglet;

std::vector<const cli::Command*> AllCommands() {
  std::vector<const cli::Command*> all;
  for (const cli::Command& command : cmd::LocalCommands()) all.push_back(&command);
  for (const cli::Command& command : cli::Commands()) all.push_back(&command);
  return all;
}

int Usage(std::ostream& out, int status) {
  out << "Kinglet serves trained models: KServe's manifests and protocols, native servers.\n\n"
         "Usage: kinglet COMMAND [ARGUMENTS]\n\nCommands:\n";
  for (const cli::Command* command : AllCommands()) {
    out << "  " << command->name
        << std::string(command->name.size() < 14 ? 14 - command->name.size() : 1, ' ')
        << command->summary << "\n";
  }
  out << "\n`kinglet COMMAND --help` explains one.\n";
  return status;
}

// Standalone mode's kubeconfig is the default where nothing else was asked for.
Result<std::unique_ptr<kube::Client>> Connect(kube::ConfigOptions options,
                                              std::string* default_namespace,
                                              std::stop_token stop) {
  const char* environment = std::getenv("KUBECONFIG");
  if (options.kubeconfig.empty() && !(environment && *environment)) {
    std::error_code ignored;
    auto home = standalone::DefaultDataDir();
    auto own = home ? standalone::DataDir{*home}.Kubeconfig() : std::filesystem::path();
    if (home && std::filesystem::exists(own, ignored)) options.kubeconfig = own;
  }
  KINGLET_TRY(kube::ClientConfig config, kube::LoadConfig(options));
  *default_namespace = config.default_namespace;
  // A server that never ends an answer is left with the first Ctrl-C.
  return kube::MakeClient(std::move(config), stop);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  if (argc < 2) return Usage(std::cerr, 2);
  std::string name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") return Usage(std::cout, 0);
  if (name == "--version") name = "version";

  // One thread waits for the signals that end a command; everybody else never sees them.
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGQUIT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::stop_source stop;
  std::thread([signals, stop]() mutable {
    int signal = 0;
    sigwait(&signals, &signal);
    stop.request_stop();
    // A second one means now.
    sigwait(&signals, &signal);
    _exit(128 + signal);
  }).detach();

  bool is_tty = isatty(STDOUT_FILENO) != 0;
  cli::Context context{
      .out = std::cout,
      .err = std::cerr,
      .is_tty = is_tty,
      .colour = is_tty && std::getenv("NO_COLOR") == nullptr,
      .stop = stop.get_token(),
      .connect = {},
      .read_stdin = []() -> Result<std::string> {
        return std::string(std::istreambuf_iterator<char>(std::cin), {});
      },
  };
  context.connect = [&](const kube::ConfigOptions& options) {
    return Connect(options, &context.default_namespace, context.stop);
  };
  for (const cli::Command* command : AllCommands()) {
    if (command->name == name) {
      int status = command->run(context, std::vector<std::string>(argv + 2, argv + argc));
      std::cout.flush();
      // Threads of the command are gone or detached; static destructors have nothing to add.
      std::_Exit(status);
    }
  }
  std::cerr << "kinglet: unknown command \"" << name << "\": see kinglet --help\n";
  return 2;
}
