// kinglet pull: a model from any storage URI into a folder, for people.
#include <ostream>

#include "base/flags.h"
#include "base/text.h"
#include "cmd/kinglet/local_commands.h"
#include "storage/confinement.h"
#include "storage/downloader.h"

namespace kinglet::cmd {

int Pull(cli::Context& context, std::vector<std::string> arguments) {
  bool quiet = false;
  Flags flags("kinglet pull URI FOLDER",
              "Downloads a model. An interrupted download goes on where it stopped; the folder "
              "never holds a part of a model.");
  flags.Add("quiet", &quiet, "print nothing but errors");
  auto positional = flags.Parse(std::move(arguments));
  if (flags.help_requested()) {
    context.out << flags.Help();
    return 0;
  }
  if (positional && positional->size() != 2) {
    positional = Fail(Code::kInvalidArgument, "two arguments are needed: kinglet pull URI FOLDER");
  }
  if (!positional) {
    context.err << "kinglet pull: " << positional.error().message() << "\n";
    return 2;
  }
  storage::DownloadOptions options;
  options.environment = storage::Environment::FromProcess();
  storage::ConfineDownloads(*positional, options.environment);
  options.stop = context.stop;
  // On a terminal one line that is written over; elsewhere a line now and then.
  if (context.is_tty) options.progress_interval = 200ms;
  if (!quiet) {
    options.on_progress = [&](const storage::Progress& progress) {
      context.out << (context.is_tty ? "\r\x1b[K" : "")
                  << EscapeControls(storage::ProgressLine(progress))
                  << (context.is_tty ? "" : "\n");
      context.out.flush();
    };
  }
  auto result = storage::Download((*positional)[0], (*positional)[1], options);
  if (context.is_tty && !quiet) context.out << "\r\x1b[K";
  if (!result) {
    context.err << "kinglet pull: " << EscapeControls(result.error().message(), Lines::kMany)
                << "\n";
    return 1;
  }
  if (quiet) return 0;
  if (result->already_complete) {
    context.out << (*positional)[1] << " is complete already\n";
  } else {
    context.out << fmt::format("{} files, {} in {:.1f} s: {}\n", result->files,
                               storage::HumanBytes(static_cast<double>(result->bytes)),
                               result->seconds, (*positional)[1]);
  }
  return 0;
}

}  // namespace kinglet::cmd
