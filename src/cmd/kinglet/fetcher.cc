#include "cmd/kinglet/fetcher.h"

#include <string>

#include "base/log.h"
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
  KINGLET_TRY(auto result, storage::Download(uri, folder_->path().string(), options));
  LogInfo("model downloaded", {{"uri", uri},
                               {"files", static_cast<int64_t>(result.files)},
                               {"bytes", static_cast<int64_t>(result.bytes)},
                               {"seconds", result.seconds}});
  return folder_->path();
}

}  // namespace kinglet
