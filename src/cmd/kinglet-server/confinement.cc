#include "cmd/kinglet-server/confinement.h"

#include "base/confine.h"

namespace kinglet {
namespace {

namespace fs = std::filesystem;

constexpr int kDepth = 1;             // a repository's models are folders of the model folder
constexpr size_t kMaxLinks = 10'000;  // more are not models

void AllowLinks(const fs::path& folder, int depth, Confinement& confinement) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (confinement.read.size() > kMaxLinks) return;
    std::error_code ignored;
    if (it->is_symlink(ignored)) {
      confinement.read.push_back(it->path());
      continue;
    }
    if (depth > 0 && it->is_directory(ignored)) AllowLinks(it->path(), depth - 1, confinement);
  }
}

// A model folder that is a link is switched to another version beside the present one.
void AllowVersions(const fs::path& model, Confinement& confinement) {
  std::error_code error;
  if (!fs::is_symlink(model, error)) return;
  const fs::path versions = fs::canonical(model, error).parent_path();
  if (!error && versions != versions.root_path()) confinement.read.push_back(versions);
}

}  // namespace

void ConfineServer(const fs::path& model, const fs::path& downloaded) {
  Confinement confinement;
  confinement.connect = false;
  confinement.read.push_back(model);
  AllowVersions(model, confinement);
  AllowLinks(model, kDepth, confinement);
  if (!downloaded.empty()) confinement.remove.push_back(downloaded);
  Confine(confinement);
}

}  // namespace kinglet
