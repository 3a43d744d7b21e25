#include "storage/local_copy.h"

#include <filesystem>

namespace kinglet::storage {
namespace {

namespace fs = std::filesystem;

Status CopyFile(const fs::path& from, const fs::path& folder, const fs::path& relative,
                std::vector<StagedFile>& files) {
  std::error_code error;
  const fs::path to = folder / relative;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, error);
  uintmax_t size = error ? 0 : fs::file_size(to, error);
  if (error) {
    return Fail(Code::kInternal, "cannot copy {} to {}: {}", from.string(), to.string(),
                error.message());
  }
  files.push_back({relative.string(), size});
  return {};
}

}  // namespace

Result<std::vector<StagedFile>> CopyLocal(const std::vector<Link>& links, const std::string& folder,
                                          const std::stop_token& stop) {
  std::vector<StagedFile> files;
  for (const Link& link : links) {
    std::error_code error;
    if (fs::is_regular_file(link.target, error)) {
      KINGLET_RETURN_IF_ERROR(CopyFile(link.target, folder, link.path, files));
      continue;
    }
    for (fs::recursive_directory_iterator it(link.target, error), end; !error && it != end;
         it.increment(error)) {
      if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
      if (it->is_directory()) {
        if (it->is_symlink()) {
          return Fail(Code::kInvalidArgument,
                      "{} is a link to a folder, which is not followed: use the folder itself",
                      it->path().string());
        }
        continue;
      }
      if (!it->is_regular_file()) {
        return Fail(Code::kInvalidArgument, "{} is not a file", it->path().string());
      }
      KINGLET_RETURN_IF_ERROR(CopyFile(
          it->path(), folder, link.path / it->path().lexically_relative(link.target), files));
    }
    if (error) {
      return Fail(Code::kInternal, "cannot read {}: {}", link.target, error.message());
    }
  }
  return files;
}

}  // namespace kinglet::storage
