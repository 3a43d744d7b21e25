#include "storage/destination.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <thread>

#include "base/encoding.h"
#include "base/log.h"
#include "base/uri.h"
#include "storage/path.h"

namespace kinglet::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStaging = ".kinglet-staging";
constexpr std::string_view kLock = ".kinglet-lock";
constexpr std::string_view kCommitting = "/committing";
constexpr size_t kSyncEach = 256;  // files
constexpr Duration kLockPoll = std::chrono::milliseconds(100);

bool IsMountPoint(const std::string& path) {
  struct statx info{};
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS, &info) != 0) return false;
  if (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) {
    return info.stx_attributes & STATX_ATTR_MOUNT_ROOT;
  }
  struct stat self{}, above{};
  return stat(path.c_str(), &self) == 0 && stat((path + "/..").c_str(), &above) == 0 &&
         (self.st_dev != above.st_dev || self.st_ino == above.st_ino);
}

Status SyncPath(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Unexpected(ErrnoError(fmt::format("open {}", path), errno));
  if (fsync(fd.get()) != 0 && errno != EINVAL) {
    return Unexpected(ErrnoError(fmt::format("sync {}", path), errno));
  }
  return {};
}

// Brings the files in `folder` and their names to the disk. One by one, so that a node's other
// writers need not be waited for; many at once, since each is a flush of the disk.
Status SyncFiles(const std::string& folder, const std::vector<StagedFile>& files) {
  Fd root(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Unexpected(ErrnoError(fmt::format("open {}", folder), errno));
  if (files.size() > kSyncEach) {
    if (syncfs(root.get()) == 0) return {};
    return Unexpected(ErrnoError(fmt::format("sync {}", folder), errno));
  }
  std::set<std::string> folders = {"."};
  for (const StagedFile& file : files) {
    for (size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1)) {
      folders.insert(file.path.substr(0, slash));
    }
    Fd fd(openat(root.get(), file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno == ELOOP) continue;  // a link is its folder's
    if (!fd || fdatasync(fd.get()) != 0) {
      return Unexpected(ErrnoError(fmt::format("sync {}", file.path), errno));
    }
  }
  for (const std::string& name : folders) {
    Fd fd(openat(root.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd || (fsync(fd.get()) != 0 && errno != EINVAL)) {
      return Unexpected(ErrnoError(fmt::format("sync {}", name), errno));
    }
  }
  return {};
}

// What the marker calls a URI. Others may read the volume: of a URI with a secret in it stay the
// public part and a digest that tells it from other ones.
Json NameSource(std::string_view uri) {
  const std::string shown = RedactUri(uri);
  Json source = Json::MakeObject({{"uri", shown}});
  if (shown != uri) source.Set("uri_sha256", HexEncode(Sha256(uri)));
  return source;
}

bool SameSource(const Json& a, const Json& b) {
  return a["uri"] == b["uri"] && a["uri_sha256"] == b["uri_sha256"];
}

// Renames `from` to `to`; folders that exist on both sides are merged entry by entry.
Status MoveInto(const fs::path& from, const fs::path& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return {};
  int error = errno;
  std::error_code code;
  bool both_folders = fs::is_directory(fs::symlink_status(from, code)) &&
                      fs::is_directory(fs::symlink_status(to, code));
  if ((error != ENOTEMPTY && error != EEXIST) || !both_folders) {
    return Unexpected(
        ErrnoError(fmt::format("rename {} to {}", from.string(), to.string()), error));
  }
  for (auto& entry : fs::directory_iterator(from, code)) {
    KINGLET_RETURN_IF_ERROR(MoveInto(entry.path(), to / entry.path().filename()));
  }
  fs::remove(from, code);
  return {};
}

}  // namespace

Result<std::unique_ptr<Destination>> Destination::Open(const std::string& path,
                                                       const Context& context) {
  std::unique_ptr<Destination> destination(new Destination);
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  if (error || whole == whole.root_path()) {
    return Fail(Code::kInvalidArgument, "not a destination for a model: {}", path);
  }
  destination->path_ = whole;
  destination->parent_ = whole.parent_path();
  destination->name_ = whole.filename();
  fs::create_directories(destination->parent_, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "cannot make the folder {}: {}", destination->parent_,
                error.message());
  }
  // Another initializer may have made the destination while this one waited for the lock: decide
  // again until the decision holds under the lock.
  while (true) {
    bool inside = destination->inside_ = IsFilledInside(destination->path_);
    const std::string& d = destination->path_;
    std::string beside = fmt::format("{}/.{}", destination->parent_, destination->name_);
    destination->staging_ =
        inside ? fmt::format("{}/{}", d, kStaging) : fmt::format("{}{}", beside, kStaging);
    destination->lock_path_ =
        inside ? fmt::format("{}/{}", d, kLock) : fmt::format("{}{}", beside, kLock);
    KINGLET_RETURN_IF_ERROR(destination->Lock(context));
    if (IsFilledInside(destination->path_) == inside) break;
    unlink(destination->lock_path_.c_str());
    destination->lock_.Reset();
  }
  KINGLET_RETURN_IF_ERROR(RefuseStrangers(destination->path_));
  KINGLET_RETURN_IF_ERROR(destination->RefuseLinks());
  KINGLET_RETURN_IF_ERROR(destination->RemoveForeignStaging());
  KINGLET_RETURN_IF_ERROR(destination->FinishCut());
  return destination;
}

Destination::~Destination() {
  if (!lock_) return;
  // Unlinked while held: who waits sees that its file is no longer the one at the path.
  unlink(lock_path_.c_str());
}

bool Destination::IsFilledInside(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return false;
  if (!S_ISDIR(info.st_mode) || IsMountPoint(path)) return true;
  if (access(fs::path(path).parent_path().c_str(), W_OK) != 0) return true;
  std::error_code error;
  for (auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().filename() != kLock) return true;
  }
  return false;
}

// In a folder such as /tmp every user may make what lies there before this one does: a destination
// with a marker that calls another model complete, or a staging folder in which files are exchanged
// after they were checked. Where no sticky bit keeps users apart (the volumes of pods), its owner
// means them to share.
Status Destination::RefuseStrangers(const std::string& path) {
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  const fs::path parent = whole.parent_path();
  struct stat above{};
  if (stat(parent.c_str(), &above) != 0 || !(above.st_mode & S_ISVTX) ||
      !(above.st_mode & S_IWOTH)) {
    return {};
  }
  const std::string beside = fmt::format("{}/.{}", parent.string(), whole.filename().string());
  for (const std::string& each : {whole.string(), fmt::format("{}{}", beside, kStaging),
                                  fmt::format("{}{}", beside, kLock)}) {
    struct stat info{};
    if (lstat(each.c_str(), &info) != 0) continue;
    if (info.st_uid == geteuid() || info.st_uid == 0) continue;
    return Fail(Code::kPermissionDenied,
                "{} belongs to another user (uid {}) in a folder that every user may write to, so "
                "no model is put there: choose another destination",
                each, info.st_uid);
  }
  return {};
}

// Who shares the volume could have the staged files written, and old ones removed, somewhere else.
Status Destination::RefuseLinks() const {
  for (const std::string& path : {staging_, data(), raw()}) {
    struct stat info{};
    if (lstat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) continue;
    return Fail(Code::kFailedPrecondition,
                "{} is not a folder: another user of the volume made it, remove it", path);
  }
  return {};
}

// What another user staged may be anything, and stays that user's to change after the model was
// published: a journal that claims wrong bytes, files that are links. It is never continued.
Status Destination::RemoveForeignStaging() const {
  struct stat info{};
  if (lstat(staging_.c_str(), &info) != 0) return {};
  if (info.st_uid == geteuid() && (info.st_mode & 022) == 0) return {};
  RemoveTree(staging_);
  if (lstat(staging_.c_str(), &info) != 0) return {};
  return Fail(
      Code::kFailedPrecondition,
      "{} is another user's and cannot be removed: remove it, or choose another destination",
      staging_);
}

Status Destination::Lock(const Context& context) {
  bool told = false;
  while (true) {
    Fd fd(open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return Unexpected(ErrnoError(fmt::format("cannot write to {}", path_), errno));
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      struct stat held{}, there{};
      if (fstat(fd.get(), &held) == 0 && stat(lock_path_.c_str(), &there) == 0 &&
          held.st_ino == there.st_ino && held.st_dev == there.st_dev) {
        lock_ = std::move(fd);
        return {};
      }
      continue;  // its holder has removed this file: take the new one
    }
    if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS) {
      // A file system without locks: the staging folder's rename still keeps the model whole.
      lock_ = std::move(fd);
      return {};
    }
    if (!told) LogInfo("another initializer works on this destination", {{"destination", path_}});
    told = true;
    if (context.stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    if (context.deadline.Expired()) {
      return Fail(Code::kDeadlineExceeded, "another initializer holds {}", path_);
    }
    std::this_thread::sleep_for(kLockPoll);
  }
}

Json Destination::Marker() const {
  auto text = ReadFile(fmt::format("{}/{}", path_, kCompleteMarker), size_t{64} << 20);
  if (!text) return Json::MakeObject();
  auto json = Json::Parse(*text);
  return json && json->IsObject() ? *json : Json::MakeObject();
}

bool Destination::Complete(std::string_view uri) const {
  Json marker = Marker();
  const Json wanted = NameSource(uri);
  for (const Json& source : marker["sources"].AsArray()) {
    if (!SameSource(source, wanted)) continue;
    for (const Json& file : source["files"].AsArray()) {
      struct stat info{};
      std::string path = path_ + "/" + file["path"].AsString();
      if (lstat(path.c_str(), &info) != 0) return false;
      if (S_ISREG(info.st_mode) && info.st_size != file["size"].AsInt(-1)) return false;
    }
    return true;
  }
  return false;
}

Status Destination::Prepare(const std::string& folder) {
  std::error_code error;
  if (inside_ && !fs::is_directory(path_, error)) {
    return Fail(Code::kInvalidArgument, "{} is a file, not a folder for a model", path_);
  }
  // Others that may write to the destination must not be able to change what is not checked again.
  if (mkdir(staging_.c_str(), 0700) != 0 && errno != EEXIST)
    error = std::error_code(errno, std::generic_category());
  if (!error) fs::create_directories(folder, error);
  if (error) {
    return Fail(
        error == std::errc::no_space_on_device ? Code::kResourceExhausted : Code::kPermissionDenied,
        "cannot make the staging folder {}: {}", staging_, error.message());
  }
  return {};
}

Status Destination::Empty(const std::string& folder) {
  RemoveTree(folder);
  return Prepare(folder);
}

Status Destination::Commit(std::string_view uri, std::string_view digest,
                           const std::vector<StagedFile>& files) {
  Json source = NameSource(uri);
  source.Set("digest", digest);
  Json& list = source.Set("files", Json::Array{});
  for (const StagedFile& file : files) {
    list.Push(Json::MakeObject({{"path", file.path}, {"size", file.size}}));
  }
  // Everything reaches the disk before it becomes visible: a reboot must not leave empty files
  // behind a marker.
  KINGLET_RETURN_IF_ERROR(SyncFiles(data(), files));
  if (!inside_) {
    Json marker = Json::MakeObject({{"version", 1}});
    marker.Set("sources", Json::MakeArray({source}));
    KINGLET_RETURN_IF_ERROR(PlaceMarker(data(), marker));
    // One of a process that was killed; an empty folder can be renamed over, one with it cannot.
    unlink(fmt::format("{}/{}", path_, kLock).c_str());
    if (rename(data().c_str(), path_.c_str()) != 0) {
      return Unexpected(ErrnoError(fmt::format("rename {} to {}", data(), path_), errno));
    }
    KINGLET_RETURN_IF_ERROR(SyncPath(parent_));
    RemoveTree(staging_);
    return {};
  }
  KINGLET_RETURN_IF_ERROR(
      WriteFileAtomic(fmt::format("{}{}", staging_, kCommitting), source.Dump()));
  return Publish(source);
}

// Moves the entries of data() into place and adds the source to the marker. May be repeated after
// being cut anywhere.
Status Destination::Publish(const Json& source) {
  std::error_code error;
  for (auto& entry : fs::directory_iterator(data(), error)) {
    KINGLET_RETURN_IF_ERROR(MoveInto(entry.path(), fs::path(path_) / entry.path().filename()));
  }
  KINGLET_RETURN_IF_ERROR(SyncPath(path_));
  // From here on the staging folder is worth nothing: see FinishCut.
  unlink(fmt::format("{}/journal", staging_).c_str());
  Json marker = Marker();
  marker.Set("version", 1);
  Json::Array sources;
  for (const Json& other : marker["sources"].AsArray()) {
    if (!SameSource(other, source)) sources.push_back(other);
  }
  sources.push_back(source);
  marker.Set("sources", std::move(sources));
  KINGLET_RETURN_IF_ERROR(PlaceMarker(path_, marker));
  RemoveTree(staging_);
  return {};
}

// Written in the staging folder first, so that what a kill leaves of it goes with that.
Status Destination::PlaceMarker(const std::string& folder, const Json& marker) {
  std::string written = fmt::format("{}/marker", staging_);
  std::string place = fmt::format("{}/{}", folder, kCompleteMarker);
  KINGLET_RETURN_IF_ERROR(WriteFileAtomic(written, marker.Dump()));
  if (rename(written.c_str(), place.c_str()) != 0) {
    return Unexpected(ErrnoError(fmt::format("rename {} to {}", written, place), errno));
  }
  return SyncPath(folder);
}

// Removes the lock of a process that was killed; one that is held stays.
void Destination::RemoveLeftLock() const {
  std::string path = fmt::format("{}/.{}{}", parent_, name_, kLock);
  Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (fd && flock(fd.get(), LOCK_EX | LOCK_NB) == 0) unlink(path.c_str());
}

Status Destination::FinishCut() {
  if (!inside_) return {};
  // What a process left beside that was killed just after its rename.
  std::string beside = fmt::format("{}/.{}{}", parent_, name_, kStaging);
  std::error_code error;
  if (fs::is_directory(beside, error) && !fs::exists(beside + "/data", error)) RemoveTree(beside);
  RemoveLeftLock();
  auto text = ReadFile(fmt::format("{}{}", staging_, kCommitting), size_t{64} << 20);
  if (!text) {
    // Without a journal: what a process left that was killed while it cleaned up.
    if (!fs::exists(fmt::format("{}/journal", staging_), error)) RemoveTree(staging_);
    return {};
  }
  auto source = Json::Parse(*text);
  if (source && source->IsObject()) return Publish(*source);
  return {};
}

}  // namespace kinglet::storage
