#include "control/localmodelnode/model_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "base/encoding.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kOwn = ".kinglet-";
constexpr std::string_view kAlgorithms[] = {"sha256", "md5", "sha1", "crc32c"};
constexpr size_t kMaxEntries = 1'000'000;
constexpr int kMaxDepth = 64;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Result<std::vector<std::string>> Parts(std::string_view name) {
  std::vector<std::string> parts;
  for (std::string_view rest = name; !rest.empty();) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (part.empty() || part == "." || part == ".." || part.contains('\0')) {
      parts.clear();
      break;
    }
    parts.emplace_back(part);
  }
  if (!parts.empty()) return parts;
  return Fail(Code::kInvalidArgument, "\"{}\" is not the name of a file beneath the model's folder",
              name);
}

// A file's folder, and its name there. Empty `at`: the file is at the top.
struct Place {
  Fd folder;
  int at = -1;
  std::string leaf;
};

Result<Place> Find(int top, const std::string& name, bool make_folders) {
  KINGLET_TRY(auto parts, Parts(name));
  Place place{.folder = Fd(), .at = top, .leaf = std::move(parts.back())};
  parts.pop_back();
  for (const std::string& part : parts) {
    if (make_folders && mkdirat(place.at, part.c_str(), 0755) != 0 && errno != EEXIST) {
      return Unexpected(ErrnoError(fmt::format("make the folder of {}", name), errno));
    }
    Fd next(openat(place.at, part.c_str(), kFolderFlags));
    if (!next) return Unexpected(ErrnoError(fmt::format("open the folder of {}", name), errno));
    place.folder = std::move(next);
    place.at = place.folder.get();
  }
  return place;
}

// Without O_NONBLOCK a pipe of that name would keep the agent waiting.
Result<Fd> OpenRegular(int top, const std::string& name, const std::string& full_name) {
  KINGLET_TRY(Place place, Find(top, name, false));
  Fd file(openat(place.at, place.leaf.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!file || fstat(file.get(), &info) != 0) {
    return Unexpected(ErrnoError(fmt::format("open {}", full_name), errno));
  }
  if (S_ISREG(info.st_mode)) return file;
  return Fail(Code::kFailedPrecondition, "{} is not a regular file", full_name);
}

Status WalkFolder(Fd folder, const std::string& prefix, int depth, ModelFolder::Content& out,
                  size_t& count) {
  if (depth > kMaxDepth) {
    return Fail(Code::kResourceExhausted, "it has folders of over {} levels", kMaxDepth);
  }
  std::unique_ptr<DIR, int (*)(DIR*)> entries(fdopendir(folder.get()), closedir);
  if (!entries) return Unexpected(ErrnoError(fmt::format("list {}", prefix), errno));
  const int at = folder.Release();  // closed with `entries`
  while (true) {
    errno = 0;
    const dirent* entry = readdir(entries.get());
    if (!entry) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || (depth == 0 && name.starts_with(kOwn))) continue;
    if (++count > kMaxEntries) {
      return Fail(Code::kResourceExhausted, "it has over {} files", kMaxEntries);
    }
    struct stat info{};
    if (fstatat(at, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return Unexpected(ErrnoError(fmt::format("look at {}{}", prefix, name), errno));
    }
    std::string path = fmt::format("{}{}", prefix, name);
    if (S_ISDIR(info.st_mode)) {
      Fd next(openat(at, entry->d_name, kFolderFlags));
      if (!next) return Unexpected(ErrnoError(fmt::format("open {}", path), errno));
      KINGLET_RETURN_IF_ERROR(WalkFolder(std::move(next), path + "/", depth + 1, out, count));
    } else if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) {
      std::string target;
      if (S_ISLNK(info.st_mode)) {
        std::string buffer(PATH_MAX, '\0');
        const ssize_t length = readlinkat(at, entry->d_name, buffer.data(), buffer.size());
        if (length < 0) return Unexpected(ErrnoError(fmt::format("read {}", path), errno));
        target =
            fmt::format("link:{}", std::string_view(buffer).substr(0, static_cast<size_t>(length)));
      }
      out.files.push_back({.path = std::move(path),
                           .size = info.st_size,
                           .modified = Nanoseconds(info.st_mtim),
                           .changed = Nanoseconds(info.st_ctim),
                           .inode = static_cast<int64_t>(info.st_ino),
                           .link = S_ISLNK(info.st_mode),
                           .digest = std::move(target)});
    } else {
      out.others.push_back(std::move(path));
    }
  }
  if (errno != 0) return Unexpected(ErrnoError(fmt::format("list {}", prefix), errno));
  return {};
}

}  // namespace

Result<ModelFolder> ModelFolder::Open(const std::filesystem::path& path) {
  Fd folder(open(path.c_str(), kFolderFlags));
  if (folder) return ModelFolder(std::move(folder), path);
  if (errno == ELOOP || errno == ENOTDIR) {
    return Fail(Code::kFailedPrecondition, "{} is not a folder", path.string());
  }
  return Unexpected(ErrnoError(fmt::format("open {}", path.string()), errno));
}

Result<ModelFolder::Content> ModelFolder::Walk() const {
  Content out;
  size_t count = 0;
  Fd top(openat(fd_.get(), ".", kFolderFlags));
  if (!top) return Unexpected(ErrnoError(fmt::format("open {}", path_.string()), errno));
  if (auto walked = WalkFolder(std::move(top), "", 0, out, count); !walked) {
    return Unexpected(walked.error().WithContext(path_.string()));
  }
  return out;
}

Result<std::string> ModelFolder::Read(const std::string& name, size_t limit) const {
  KINGLET_TRY(Fd file, OpenRegular(fd_.get(), name, NameOf(name)));
  std::string out;
  std::string buffer(size_t{1} << 16, '\0');
  while (true) {
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return Unexpected(ErrnoError(fmt::format("read {}", NameOf(name)), errno));
    if (got == 0) return out;
    out.append(buffer, 0, static_cast<size_t>(got));
    if (out.size() > limit) {
      return Fail(Code::kResourceExhausted, "{} is over {} bytes", NameOf(name), limit);
    }
  }
}

Result<bool> ModelFolder::HasDigest(const std::string& name, std::string_view digest,
                                    const std::stop_token& stop) const {
  const size_t colon = digest.find(':');
  const std::string algorithm(digest.substr(0, colon));
  if (colon == std::string_view::npos ||
      std::ranges::find(kAlgorithms, algorithm) == std::end(kAlgorithms)) {
    return true;
  }
  KINGLET_TRY(Fd file, OpenRegular(fd_.get(), name, NameOf(name)));
  const bool is_crc = algorithm == "crc32c";
  Digest sum(is_crc ? "md5" : algorithm);
  uint32_t crc = 0;
  std::string buffer(size_t{1} << 20, '\0');
  while (true) {
    if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return Unexpected(ErrnoError(fmt::format("read {}", NameOf(name)), errno));
    if (got == 0) break;
    const auto bytes = std::string_view(buffer).substr(0, static_cast<size_t>(got));
    if (is_crc) {
      crc = Crc32c(bytes, crc);
    } else {
      sum.Update(bytes);
    }
  }
  return (is_crc ? fmt::format("{:08x}", crc) : HexEncode(sum.Finish())) ==
         digest.substr(colon + 1);
}

Status ModelFolder::Remove(const std::string& name) const {
  auto place = Find(fd_.get(), name, false);
  if (!place) {
    // Its folder is a link, or no folder any more: the file is not in the model.
    if (place.error().code() == Code::kInvalidArgument) return Unexpected(place.error());
    return {};
  }
  if (unlinkat(place->at, place->leaf.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno == EISDIR && unlinkat(place->at, place->leaf.c_str(), AT_REMOVEDIR) == 0) return {};
  return Unexpected(ErrnoError(fmt::format("remove {}", NameOf(name)), errno));
}

Status ModelFolder::Link(const ModelFolder& from, const FileFacts& file) const {
  KINGLET_TRY(Place source, Find(from.fd_.get(), file.path, false));
  KINGLET_TRY(Place target, Find(fd_.get(), file.path, true));
  const char* name = target.leaf.c_str();
  if (unlinkat(target.at, name, 0) != 0 && errno != ENOENT) {
    return Unexpected(ErrnoError(fmt::format("replace {}", NameOf(file.path)), errno));
  }
  struct stat info{};
  if (linkat(source.at, source.leaf.c_str(), target.at, name, 0) != 0 ||
      fstatat(target.at, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return Unexpected(
        ErrnoError(fmt::format("link {} to {}", NameOf(file.path), from.NameOf(file.path)), errno));
  }
  if (static_cast<int64_t>(info.st_ino) == file.inode) return {};
  unlinkat(target.at, name, 0);
  return Fail(Code::kAborted, "{} was replaced while it was linked", from.NameOf(file.path));
}

Status ModelFolder::Write(const std::string& name, std::string_view bytes) const {
  const std::string fresh = name + ".new";
  unlinkat(fd_.get(), fresh.c_str(), 0);
  Fd file(
      openat(fd_.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return Unexpected(ErrnoError(fmt::format("make {}", NameOf(fresh)), errno));
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t count = write(file.get(), left.data(), left.size());
    if (count < 0 && errno != EINTR) {
      return Unexpected(ErrnoError(fmt::format("write {}", NameOf(fresh)), errno));
    }
    if (count > 0) left.remove_prefix(static_cast<size_t>(count));
  }
  if (fsync(file.get()) != 0 || renameat(fd_.get(), fresh.c_str(), fd_.get(), name.c_str()) != 0) {
    return Unexpected(ErrnoError(fmt::format("write {}", NameOf(name)), errno));
  }
  return {};
}

Status ModelFolder::SetMode(mode_t mode) const {
  if (fchmod(fd_.get(), mode) == 0) return {};
  return Unexpected(ErrnoError(fmt::format("change the mode of {}", path_.string()), errno));
}

}  // namespace kinglet::control
