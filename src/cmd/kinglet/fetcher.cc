#include "cmd/kinglet/fetcher.h"

#include <stdlib.h>

#include <cerrno>
#include <string>

#include "base/file.h"
#include "base/log.h"
#include "storage/downloader.h"

namespace kinglet {

Fetcher::~Fetcher() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Result<std::filesystem::path> Fetcher::Fetch(std::string_view uri) {
  if (folder_.empty()) {
    std::error_code error;
    std::string name = std::filesystem::temp_directory_path(error) / "kinglet-model-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      return Unexpected(ErrnoError("make a folder for the model: " + name, errno));
    }
    folder_ = name;
  }
  storage::DownloadOptions options;
  options.environment = storage::Environment::FromProcess();
  options.on_progress = [](const storage::Progress& progress) {
    LogInfo("downloading the model", {{"progress", storage::ProgressLine(progress)}});
  };
  KINGLET_TRY(auto result, storage::Download(uri, folder_.string(), options));
  LogInfo("model downloaded", {{"uri", uri},
                               {"files", static_cast<int64_t>(result.files)},
                               {"bytes", static_cast<int64_t>(result.bytes)},
                               {"seconds", result.seconds}});
  return folder_;
}

}  // namespace kinglet
