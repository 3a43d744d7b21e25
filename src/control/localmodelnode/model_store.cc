#include "control/localmodelnode/model_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/encoding.h"
#include "base/file.h"
#include "storage/destination.h"

namespace kinglet::control {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOwn = ".kinglet-";
constexpr std::string_view kStaging = ".kinglet-staging";
constexpr std::string_view kRecords = ".kinglet-records";
constexpr size_t kMaxFiles = 1'000'000;
constexpr size_t kMaxMarker = size_t{64} << 20;

// Where a download that is not into a mount point is staged: beside its folder.
std::string StagingOf(const std::string& folder) { return fmt::format(".{}{}", folder, kStaging); }

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// A name from a marker or a record as a path beneath the folder; nothing where it leads elsewhere.
std::optional<fs::path> Beneath(const fs::path& folder, const std::string& name) {
  const fs::path path = fs::path(name).lexically_normal();
  if (path.empty() || path.is_absolute() || *path.begin() == "..") return std::nullopt;
  return folder / path;
}

std::optional<FileFacts> Look(const fs::path& path, std::string name) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) return std::nullopt;
  return FileFacts{.path = std::move(name),
                   .size = info.st_size,
                   .modified = Nanoseconds(info.st_mtim),
                   .changed = Nanoseconds(info.st_ctim),
                   .inode = static_cast<int64_t>(info.st_ino),
                   .link = S_ISLNK(info.st_mode)};
}

Result<std::vector<FileFacts>> Walk(const fs::path& folder) {
  std::vector<FileFacts> out;
  std::error_code error;
  auto it = fs::recursive_directory_iterator(folder, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it.depth() == 0 && it->path().filename().string().starts_with(kOwn)) {
      it.disable_recursion_pending();
      continue;
    }
    auto facts = Look(it->path(), it->path().lexically_relative(folder).string());
    if (!facts) continue;
    out.push_back(*std::move(facts));
    if (out.size() > kMaxFiles) {
      return Fail(Code::kResourceExhausted, "{} has over {} files", folder.string(), kMaxFiles);
    }
  }
  if (error) {
    return Fail(Code::kPermissionDenied, "cannot read {}: {}", folder.string(), error.message());
  }
  return out;
}

Json SourceInMarker(const fs::path& folder, const std::string& uri) {
  auto text = ReadFile(folder / storage::kCompleteMarker, kMaxMarker);
  auto marker = text ? Json::Parse(*text) : Result<Json>(Unexpected(text.error()));
  if (!marker) return {};
  for (const Json& source : (*marker)["sources"].AsArray()) {
    if (source["uri"].AsString() == uri) return source;
  }
  return {};
}

// A digest of a marker, "algorithm:hex".
struct KnownDigest {
  std::string algorithm, hex;
};

// Nothing where there is none, or none that can be checked here.
std::optional<KnownDigest> ReadDigest(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  KnownDigest out{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  for (auto algorithm : {"sha256", "md5", "sha1", "crc32c"}) {
    if (out.algorithm == algorithm) return out;
  }
  return std::nullopt;
}

Result<bool> HasDigest(const fs::path& path, const KnownDigest& wanted,
                       const std::stop_token& stop) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return Unexpected(ErrnoError(fmt::format("open {}", path.string()), errno));
  const bool is_crc = wanted.algorithm == "crc32c";
  Digest digest(is_crc ? "md5" : wanted.algorithm);
  uint32_t crc = 0;
  std::string buffer(size_t{1} << 20, '\0');
  while (true) {
    if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return Unexpected(ErrnoError(fmt::format("read {}", path.string()), errno));
    if (got == 0) break;
    const auto bytes = std::string_view(buffer).substr(0, static_cast<size_t>(got));
    if (is_crc) {
      crc = Crc32c(bytes, crc);
    } else {
      digest.Update(bytes);
    }
  }
  return (is_crc ? fmt::format("{:08x}", crc) : HexEncode(digest.Finish())) == wanted.hex;
}

// One file that must be there.
struct Expected {
  std::string path;
  int64_t size = 0;
  std::string digest;
  const FileFacts* known = nullptr;  // as it was when the model was last whole
};

std::vector<Expected> WhatMustBeThere(const Json& source, const ModelRecord& record) {
  std::map<std::string_view, const FileFacts*> known;
  if (record.whole) {
    for (const auto& file : record.files) known[file.path] = &file;
  }
  std::vector<Expected> out;
  for (const Json& file : source["files"].AsArray()) {
    auto it = known.find(file["path"].AsString());
    out.push_back({.path = file["path"].AsString(),
                   .size = file["size"].AsInt(),
                   .digest = file["digest"].AsString(),
                   .known = it == known.end() ? nullptr : it->second});
  }
  if (!source.IsNull()) return out;
  for (const auto& file : record.files) {
    out.push_back({.path = file.path, .size = file.size, .digest = "", .known = &file});
  }
  return out;
}

// What is wrong with a file; "" where nothing is.
Result<std::string> Check(const fs::path& folder, const Expected& wish,
                          std::optional<FileFacts>& found, const std::stop_token& stop) {
  auto path = Beneath(folder, wish.path);
  if (path) found = Look(*path, wish.path);
  if (!found) return fmt::format("{} is missing", wish.path);
  if (found->link) return "";
  if (found->size != wish.size) {
    return fmt::format("{} has {} bytes, not {}", wish.path, found->size, wish.size);
  }
  if (wish.known && *wish.known == *found) return "";
  if (const auto digest = ReadDigest(wish.digest)) {
    KINGLET_TRY(bool good, HasDigest(*path, *digest, stop));
    return good ? "" : fmt::format("{} does not have its digest any more", wish.path);
  }
  if (wish.known && wish.known->modified != found->modified) {
    return fmt::format("{} was changed after it was downloaded", wish.path);
  }
  return "";
}

Status LinkOver(const fs::path& from, const fs::path& to) {
  if (link(from.c_str(), to.c_str()) == 0) return {};
  if (errno == EEXIST) {
    unlink(to.c_str());
    if (link(from.c_str(), to.c_str()) == 0) return {};
  }
  return Unexpected(ErrnoError(fmt::format("link {} to {}", to.string(), from.string()), errno));
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
  std::error_code error;
  fs::create_directories(root_ / kRecords, error);
  if (error) {
    return Fail(
        Code::kPermissionDenied,
        "cannot make the folder of models {}: {}; the agent's user must be able to write to "
        "the volume",
        root_.string(), error.message());
  }
  return {};
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
  // Jobs of another user share the group.
  chmod(path.c_str(), 0775);
  return {};
}

Result<FolderState> ModelStore::Inspect(const std::string& folder, const std::string& uri,
                                        const ModelRecord& record,
                                        const std::stop_token& stop) const {
  const fs::path path = PathOf(folder);
  std::error_code error;
  FolderState state;
  if (!fs::is_directory(fs::symlink_status(path, error))) return state;
  const Json source = SourceInMarker(path, uri);
  if (source.IsNull() && !(record.whole && record.uri == uri)) {
    KINGLET_TRY(state.files, Walk(path));
    for (const auto& file : state.files) state.bytes += file.size;
    state.health = Health::kUnknown;
    return state;
  }
  for (const Expected& wish : WhatMustBeThere(source, record)) {
    std::optional<FileFacts> found;
    KINGLET_TRY(std::string problem, Check(path, wish, found, stop));
    if (found) state.bytes += found->size;
    if (!problem.empty()) {
      if (state.problem.empty()) state.problem = std::move(problem);
      state.damaged.push_back(wish.path);
    } else if (found) {
      state.files.push_back(*std::move(found));
    }
  }
  if (state.damaged.size() > 1) {
    state.problem += fmt::format(" (and {} more)", state.damaged.size() - 1);
  }
  state.health = state.damaged.empty() ? Health::kWhole : Health::kDamaged;
  return state;
}

Status ModelStore::Invalidate(const std::string& folder, const FolderState& state) const {
  const fs::path path = PathOf(folder);
  std::error_code error;
  // First what makes a reader take the folder for the model.
  fs::remove(path / storage::kCompleteMarker, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "cannot remove the marker of {}: {}", path.string(),
                error.message());
  }
  for (const auto& name : state.damaged) {
    if (auto file = Beneath(path, name)) fs::remove(*file, error);
    if (error) {
      return Fail(Code::kPermissionDenied, "cannot remove {} of {}: {}", name, path.string(),
                  error.message());
    }
  }
  return {};
}

Status ModelStore::Share(const std::string& from, const FolderState& state, const std::string& to,
                         const std::string& uri) const {
  const fs::path source = PathOf(from), target = PathOf(to);
  Json files = Json::MakeArray();
  const Json marker = SourceInMarker(source, uri);
  for (const auto& file : state.files) {
    auto old_path = Beneath(source, file.path), new_path = Beneath(target, file.path);
    if (!old_path || !new_path) continue;
    std::error_code error;
    fs::create_directories(new_path->parent_path(), error);
    if (error) {
      return Fail(Code::kPermissionDenied, "cannot make {}: {}", new_path->parent_path().string(),
                  error.message());
    }
    KINGLET_RETURN_IF_ERROR(LinkOver(*old_path, *new_path));
    files.Push(Json::MakeObject({{"path", file.path}, {"size", file.size}}));
  }
  Json entry =
      marker.IsNull() ? Json::MakeObject({{"uri", uri}, {"files", std::move(files)}}) : marker;
  Json whole = Json::MakeObject({{"version", 1}, {"sources", Json::MakeArray({std::move(entry)})}});
  return WriteFileAtomic(target / storage::kCompleteMarker, whole.Dump());
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
  // Whoever looks meanwhile must not find a marker beside half of a model.
  std::error_code ignored;
  fs::remove(path / storage::kCompleteMarker, ignored);
  KINGLET_RETURN_IF_ERROR(RemoveAll(root_ / StagingOf(folder)));
  return RemoveAll(path);
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
