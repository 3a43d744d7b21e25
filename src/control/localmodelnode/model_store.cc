#include "control/localmodelnode/model_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/file.h"
#include "base/log.h"
#include "control/localmodelnode/model_folder.h"
#include "storage/destination.h"

namespace kinglet::control {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOwn = ".kinglet-";
constexpr std::string_view kStaging = ".kinglet-staging";
constexpr std::string_view kRecords = ".kinglet-records";
constexpr size_t kMaxMarker = size_t{64} << 20;

// Where a download that is not into a mount point is staged: beside its folder.
std::string StagingOf(const std::string& folder) { return fmt::format(".{}{}", folder, kStaging); }

Json SourceInMarker(const ModelFolder& folder, const std::string& uri) {
  auto text = folder.Read(std::string(storage::kCompleteMarker), kMaxMarker);
  auto marker = text ? Json::Parse(*text) : Result<Json>(Unexpected(text.error()));
  if (!marker) return {};
  for (const Json& source : (*marker)["sources"].AsArray()) {
    if (source["uri"].AsString() == uri) return source;
  }
  return {};
}

// One file that must be there.
struct Expected {
  std::string path;
  int64_t size = 0;
  std::string digest;
  const FileFacts* known = nullptr;  // as it was when the model was last whole; null: never
};

std::vector<Expected> ByRecord(const ModelRecord& record) {
  std::vector<Expected> out;
  for (const auto& file : record.files) {
    out.push_back({.path = file.path, .size = file.size, .digest = file.digest, .known = &file});
  }
  return out;
}

std::vector<Expected> ByMarker(const Json& source) {
  std::vector<Expected> out;
  for (const Json& file : source["files"].AsArray()) {
    out.push_back({.path = fs::path(file["path"].AsString()).lexically_normal().string(),
                   .size = file["size"].AsInt(),
                   .digest = file["digest"].AsString(),
                   .known = nullptr});
  }
  return out;
}

// What is wrong with a file; "" if nothing is. `found`: null if it does not exist.
Result<std::string> Check(const ModelFolder& folder, const Expected& expected,
                          const FileFacts* found, const std::stop_token& stop) {
  if (!found) return fmt::format("{} is missing", expected.path);
  if (expected.known && (found->link || expected.known->link)) {
    if (found->link && found->digest == expected.digest) return "";
    return fmt::format("{} was replaced after it was downloaded", expected.path);
  }
  if (found->link || (expected.known && *expected.known == *found)) return "";
  if (found->size != expected.size) {
    return fmt::format("{} has {} bytes, not {}", expected.path, found->size, expected.size);
  }
  if (!expected.digest.empty()) {
    KINGLET_TRY(bool good, folder.HasDigest(expected.path, expected.digest, stop));
    return good ? "" : fmt::format("{} does not have its digest any more", expected.path);
  }
  if (expected.known && expected.known->modified != found->modified) {
    return fmt::format("{} was changed after it was downloaded", expected.path);
  }
  return "";
}

Status RemoveAll(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return {};
  return Fail(Code::kPermissionDenied, "cannot remove {}: {}", path.string(), error.message());
}

Status CheckRoot(const fs::path& root) {
  const fs::path normal = root.lexically_normal();
  if (normal.is_absolute() && std::distance(normal.begin(), normal.end()) >= 3) return {};
  return Fail(Code::kInvalidArgument,
              "{} cannot be the folder of models: folders in it are deleted, so it must be an "
              "absolute path below the top level",
              root.string());
}

}  // namespace

Status ModelStore::Open() const {
  KINGLET_RETURN_IF_ERROR(CheckRoot(root_));
  const fs::path records = root_ / kRecords;
  std::error_code error;
  fs::create_directories(records, error);
  if (error) {
    return Fail(
        Code::kPermissionDenied,
        "cannot make the folder of models {}: {}; the agent's user must be able to write to "
        "the volume",
        root_.string(), error.message());
  }
  KINGLET_TRY(ModelFolder opened, ModelFolder::Open(records));
  return opened.SetMode(0700);
}

Status ModelStore::GiveTo(uid_t owner) const {
  KINGLET_RETURN_IF_ERROR(CheckRoot(root_));
  std::error_code error;
  fs::create_directories(root_, error);
  // Not by name: who owns what lies above may put a link there meanwhile.
  Fd root(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root || fchown(root.get(), owner, owner) != 0) {
    return Unexpected(ErrnoError(fmt::format("give {} to user {}", root_.string(), owner), errno));
  }
  return {};
}

Status ModelStore::MakeFolder(const std::string& folder) const {
  const fs::path path = PathOf(folder);
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return Unexpected(ErrnoError(fmt::format("make {}", path.string()), errno));
  }
  KINGLET_TRY(ModelFolder opened, ModelFolder::Open(path));
  // Jobs of another user share the group. A folder that the agent does not own stays as it is.
  (void)opened.SetMode(0775);
  return {};
}

Result<FolderState> ModelStore::Inspect(const std::string& folder, const std::string& uri,
                                        const ModelRecord& record,
                                        const std::stop_token& stop) const {
  FolderState state;
  auto opened = ModelFolder::Open(PathOf(folder));
  if (!opened) {
    if (opened.error().code() == Code::kNotFound) return state;
    return Unexpected(opened.error());
  }
  const bool recorded = record.whole && record.uri == uri;
  const Json source = recorded ? Json() : SourceInMarker(*opened, uri);
  KINGLET_TRY(ModelFolder::Content content, opened->Walk());
  for (const auto& file : content.files) state.bytes += file.size;
  if (!recorded && source.IsNull()) {
    state.files = std::move(content.files);
    state.health = Health::kUnknown;
    return state;
  }
  auto damage = [&](std::string name, std::string problem) {
    if (state.problem.empty()) state.problem = std::move(problem);
    state.damaged.push_back(std::move(name));
  };
  std::map<std::string_view, FileFacts*> found;
  for (FileFacts& file : content.files) found[file.path] = &file;
  for (Expected& expected : recorded ? ByRecord(record) : ByMarker(source)) {
    auto it = found.find(expected.path);
    FileFacts* file = it == found.end() ? nullptr : it->second;
    if (file && !file->link) file->digest = expected.digest;
    KINGLET_TRY(std::string problem, Check(*opened, expected, file, stop));
    if (!problem.empty()) damage(expected.path, std::move(problem));
    if (file) found.erase(it);
  }
  if (recorded) {
    for (const auto& [name, file] : found) {
      damage(std::string(name), fmt::format("{} was added after the download", name));
    }
    for (const auto& name : content.others) {
      damage(name, fmt::format("{} is not a file", name));
    }
  }
  if (state.damaged.size() > 1) {
    state.problem += fmt::format(" (and {} more)", state.damaged.size() - 1);
  }
  state.health = state.damaged.empty() ? Health::kWhole : Health::kDamaged;
  if (state.health == Health::kWhole) state.files = std::move(content.files);
  return state;
}

Status ModelStore::Invalidate(const std::string& folder, const FolderState& state) const {
  KINGLET_TRY(ModelFolder opened, ModelFolder::Open(PathOf(folder)));
  // First what makes a reader take the folder for the model.
  KINGLET_RETURN_IF_ERROR(opened.Remove(std::string(storage::kCompleteMarker)));
  for (const auto& name : state.damaged) {
    auto removed = opened.Remove(name);
    // A marker may name anything.
    if (!removed && removed.error().code() != Code::kInvalidArgument) return removed;
  }
  return {};
}

Status ModelStore::Share(const std::string& from, const FolderState& state, const std::string& to,
                         const std::string& uri) const {
  KINGLET_RETURN_IF_ERROR(MakeFolder(to));
  KINGLET_TRY(ModelFolder source, ModelFolder::Open(PathOf(from)));
  KINGLET_TRY(ModelFolder target, ModelFolder::Open(PathOf(to)));
  Json files = Json::MakeArray();
  for (const auto& file : state.files) {
    KINGLET_RETURN_IF_ERROR(target.Link(source, file));
    Json entry = Json::MakeObject({{"path", file.path}, {"size", file.size}});
    if (!file.digest.empty()) entry.Set("digest", file.digest);
    files.Push(std::move(entry));
  }
  Json entry = Json::MakeObject({{"uri", uri}, {"files", std::move(files)}});
  Json whole = Json::MakeObject({{"version", 1}, {"sources", Json::MakeArray({std::move(entry)})}});
  return target.Write(std::string(storage::kCompleteMarker), whole.Dump());
}

Result<std::vector<std::string>> ModelStore::Folders() const {
  std::vector<std::string> out;
  std::error_code error;
  for (auto it = fs::directory_iterator(root_, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.starts_with('.') && name.ends_with(kStaging) && name.size() > kStaging.size() + 1) {
      name = name.substr(1, name.size() - kStaging.size() - 1);  // the model that is on its way
    }
    if (!name.starts_with(kOwn) && fs::is_directory(it->symlink_status())) {
      out.push_back(std::move(name));
    }
  }
  if (error) {
    return Fail(Code::kUnavailable, "cannot list {}: {}", root_.string(), error.message());
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

Status ModelStore::Remove(const std::string& folder) const {
  const fs::path path = PathOf(folder);
  // A reader must not find a marker beside half of a model meanwhile.
  if (auto opened = ModelFolder::Open(path)) {
    KINGLET_RETURN_IF_ERROR(opened->Remove(std::string(storage::kCompleteMarker)));
  }
  KINGLET_RETURN_IF_ERROR(RemoveAll(root_ / StagingOf(folder)));
  return RemoveAll(path);
}

Status ModelStore::RemoveExcept(const std::vector<std::string>& folders) const {
  KINGLET_TRY(auto present, Folders());
  Status outcome;
  for (const auto& folder : present) {
    if (std::ranges::find(folders, folder) != folders.end()) continue;
    LogInfo("a model that is not wanted is removed", {{"folder", folder}});
    if (auto removed = Remove(folder); !removed && outcome) outcome = std::move(removed);
  }
  KINGLET_RETURN_IF_ERROR(DropRecordsExcept(folders));
  return outcome;
}

fs::path ModelStore::RecordPath(const std::string& folder) const {
  return root_ / kRecords / (folder + ".json");
}

ModelRecord ModelStore::ReadRecord(const std::string& folder) const {
  auto text = ReadFile(RecordPath(folder), kMaxMarker);
  auto value = text ? Json::Parse(*text) : Result<Json>(Unexpected(text.error()));
  return value ? RecordFromJson(*value) : ModelRecord();
}

Status ModelStore::WriteRecord(const std::string& folder, const ModelRecord& record) const {
  return WriteFileAtomic(RecordPath(folder), ToJson(record).Dump());
}

Status ModelStore::DropRecordsExcept(const std::vector<std::string>& folders) const {
  std::error_code error;
  std::vector<fs::path> unwanted;
  for (auto it = fs::directory_iterator(root_ / kRecords, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    if (std::ranges::find(folders, it->path().stem().string()) == folders.end()) {
      unwanted.push_back(it->path());
    }
  }
  for (const auto& path : unwanted) KINGLET_RETURN_IF_ERROR(RemoveAll(path));
  return {};
}

}  // namespace kinglet::control
