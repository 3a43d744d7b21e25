// kinglet-server: KServe's model server for the formats in src/runtimes.
#include <cstdio>

#include "base/flags.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/kinglet-server/confinement.h"
#include "cmd/kinglet-server/initializer.h"
#include "cmd/kinglet-server/loader.h"
#include "server/model_server.h"

namespace {

using namespace kinglet;

Result<int> Main(int argc, char** argv) {
  server::ServerOptions options;
  Flags flags("kinglet-server", "Serves models with KServe's V1 and V2 protocols.");
  server::ServerFlags server_flags(flags, &options);
  std::string runtime;
  flags.Add("runtime", &runtime, "The same as --model_format");
  KINGLET_TRY(auto positional, flags.Parse(argc, argv, /*keep_unknown=*/true));
  if (flags.help_requested()) {
    std::puts(flags.Help().c_str());
    return 0;
  }
  if (flags.version_requested()) {
    std::puts(std::string(VersionText()).c_str());
    return 0;
  }
  KINGLET_RETURN_IF_ERROR(server::ReadEnvironment(&options));
  KINGLET_RETURN_IF_ERROR(server_flags.Check());
  if (options.model_dir.empty() && positional.size() == 1) options.model_dir = positional[0];
  if (options.model_format.empty()) options.model_format = runtime;
  KINGLET_TRY(auto loader,
              MakeLoader(options.model_format, {.predict_proba = options.predict_proba,
                                                .nthread = static_cast<int>(options.nthread)}));
  Initializer initializer;
  return server::RunServer(
      options, std::move(loader), [&](std::string_view uri) { return initializer.Fetch(uri); },
      [&](const std::filesystem::path& model) { ConfineServer(model, initializer.folder()); });
}

}  // namespace

int main(int argc, char** argv) {
  auto status = Main(argc, argv);
  if (!status) {
    std::fprintf(stderr, "kinglet-server: %s\n",
                 EscapeControls(status.error().message(), Lines::kMany).c_str());
    return 2;
  }
  return *status;
}
