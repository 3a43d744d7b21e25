// kinglet serve: the model server alone, for one folder.
#include <algorithm>
#include <ostream>

#include "base/flags.h"
#include "base/text.h"
#include "base/uri.h"
#include "cmd/kinglet-server/confinement.h"
#include "cmd/kinglet-server/loader.h"
#include "cmd/kinglet/fetcher.h"
#include "cmd/kinglet/local_commands.h"
#include "cmd/kinglet/wait_for_stop.h"
#include "server/model_server.h"

namespace kinglet::cmd {
namespace {

// "./models/Iris v2/" is served as "iris-v2": a name that also fits an InferenceService.
std::string NameOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  std::filesystem::path file(path);
  std::string name =
      (std::filesystem::is_regular_file(file) ? file.stem() : file.filename()).string();
  if (name.empty() || name == "." || name == "..") {
    name = std::filesystem::absolute(file).lexically_normal().parent_path().filename().string();
  }
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return std::isalnum(c) ? static_cast<char>(std::tolower(c)) : '-';
  });
  return name.empty() ? "model" : name;
}

Result<int> Run(cli::Context& context, Flags& flags, server::ServerFlags& server_flags,
                server::ServerOptions& options, std::vector<std::string> arguments) {
  KINGLET_TRY(auto positional, flags.Parse(std::move(arguments)));
  if (flags.help_requested()) {
    context.out << flags.Help();
    return 0;
  }
  KINGLET_RETURN_IF_ERROR(server::ReadEnvironment(&options));
  KINGLET_RETURN_IF_ERROR(server_flags.Check());
  if (positional.size() > 1 || (positional.empty() && options.model_dir.empty())) {
    return Fail(Code::kInvalidArgument, "name one model folder, file or URI: kinglet serve FOLDER");
  }
  if (!positional.empty()) options.model_dir = positional[0];
  if (!flags.Given("model-name")) options.model_name = NameOf(options.model_dir);
  KINGLET_TRY(auto loader,
              MakeLoader(options.model_format, {.predict_proba = options.predict_proba,
                                                .nthread = static_cast<int>(options.nthread)}));
  Fetcher fetcher;
  KINGLET_TRY(
      auto server,
      server::ModelServer::Start(
          options, std::move(loader), [&](std::string_view uri) { return fetcher.Fetch(uri); },
          [&](const std::filesystem::path& model) { ConfineServer(model, fetcher.folder()); }));
  context.out << "Serving " << RedactUri(options.model_dir) << " as \"" << options.model_name
              << "\" on http://" << options.http_host << ":" << server->port() << "\n"
              << "  V1: POST /v1/models/" << options.model_name << ":predict\n"
              << "  V2: POST /v2/models/" << options.model_name << "/infer\n"
              << "  metrics: /metrics\n";
  context.out.flush();
  WaitForStop(context.stop);
  server->Drain(Deadline::After(std::chrono::seconds(options.grace_period_seconds)));
  return 0;
}

}  // namespace

int Serve(cli::Context& context, std::vector<std::string> arguments) {
  server::ServerOptions options;
  options.http_host = "127.0.0.1";
  Flags flags("kinglet serve FOLDER",
              "Serves the model in a folder (or a file, or a storage URI) with KServe's V1 and V2 "
              "protocols.");
  server::ServerFlags server_flags(flags, &options);
  auto status = Run(context, flags, server_flags, options, std::move(arguments));
  if (!status) {
    context.err << "kinglet serve: " << EscapeControls(status.error().message(), Lines::kMany)
                << "\n";
    return status.error().code() == Code::kInvalidArgument ? 2 : 1;
  }
  return *status;
}

}  // namespace kinglet::cmd
