#include "cmd/kinglet/fetcher.h"

#include <string>
#include <vector>

#include "base/log.h"
#include "base/uri.h"
#include "storage/confinement.h"
#include "storage/downloader.h"

namespace kinglet {

Result<std::filesystem::path> Fetcher::Fetch(std::string_view uri) {
  if (!folder_) {
    KINGLET_TRY(auto made, TemporaryFolder::Make("kinglet-model"));
    folder_.emplace(std::move(made));
  }
  storage::DownloadOptions options;
  options.environment = storage::Environment::FromProcess();
  options.on_progress = [](const storage::Progress& progress) {
    LogInfo("downloading the model", {{"progress", storage::ProgressLine(progress)}});
  };
  // A folder of its own in there, so that nothing else of the temporary folder need be writable.
  const std::filesystem::path model = folder_->path() / "model";
  const std::vector<std::string> pair = {std::string(uri), model.string()};
  storage::ConfineDownloads(pair, options.environment, {.remove = {folder_->path().string()}});
  KINGLET_TRY(auto result, storage::Download(uri, model.string(), options));
  LogInfo("model downloaded", {{"uri", RedactUri(uri)},
                               {"files", static_cast<int64_t>(result.files)},
                               {"bytes", static_cast<int64_t>(result.bytes)},
                               {"seconds", result.seconds}});
  return model;
}

}  // namespace kinglet
