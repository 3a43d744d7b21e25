#include "storage/downloader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/encoding.h"
#include "base/log.h"
#include "base/uri.h"
#include "storage/destination.h"
#include "storage/limits.h"
#include "storage/local_copy.h"
#include "storage/path.h"
#include "storage/plugin.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr int kMaxRestarts = 3;  // when an object changes while it is downloaded

// Identifies what is downloaded, so that a journal is continued only for the same bytes.
std::string ManifestDigest(std::string_view uri, const std::vector<Object>& objects,
                           uint64_t chunk_bytes) {
  Digest digest("sha256");
  digest.Update(fmt::format("{}\n{}\n", uri, chunk_bytes));
  for (const Object& object : objects) {
    digest.Update(fmt::format("{}\n{}\n{}\n{}\n", object.path, object.locator,
                              object.size ? std::to_string(*object.size) : "?", object.etag));
    digest.Update(object.ranges ? "ranges\n" : "whole\n");
    // Nothing tells whether such an object is still the same: never continued.
    if (object.etag.empty()) digest.Update(RandomBytes(16));
  }
  return HexEncode(digest.Finish());
}

Status CheckNames(Listing& listing, const PathFilter& filter, std::string_view uri) {
  if (listing.in_place) return {};
  std::erase_if(listing.objects, [&](auto& object) { return !filter.Accepts(object.path); });
  PathSet paths;
  for (Object& object : listing.objects) {
    KINGLET_TRY(object.path, SafePath(object.path));
    KINGLET_RETURN_IF_ERROR(paths.Add(object.path));
  }
  for (Link& link : listing.links) {
    KINGLET_TRY(link.path, SafePath(link.path));
  }
  if (listing.objects.empty() && listing.links.empty()) {
    return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", RedactUri(uri));
  }
  return {};
}

// Bytes that the staged files occupy already.
uint64_t Occupied(const std::string& folder) {
  uint64_t total = 0;
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(folder, error);
       !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    struct stat info{};
    if (lstat(it->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      total += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return total;
}

Status LinkAll(const std::vector<Link>& links, const std::string& destination,
               DownloadResult& result) {
  KINGLET_RETURN_IF_ERROR(Destination::RefuseStrangers(destination));
  std::error_code error;
  std::filesystem::create_directories(destination, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "cannot make {}: {}", destination, error.message());
  }
  for (const Link& link : links) {
    std::string path = destination + "/" + link.path;
    if (symlink(link.target.c_str(), path.c_str()) != 0) {
      if (errno != EEXIST) return Unexpected(ErrnoError(fmt::format("link {}", path), errno));
      LogInfo("already there", {{"path", path}});
    }
    ++result.files;
  }
  return {};
}

class Downloading {
 public:
  Downloading(std::string_view uri, const std::string& destination, const DownloadOptions& options)
      : uri_(uri), where_(destination), options_(options), environment_(options.environment) {
    context_.stop = options.stop;
    context_.deadline = options.deadline;
    context_.stall_timeout = options.stall_timeout;
  }

  Result<DownloadResult> Run() {
    KINGLET_RETURN_IF_ERROR(environment_.ApplyStorageConfig());
    if (std::string text = environment_.Get("STORAGE_MAX_BYTES"); !text.empty()) {
      auto bytes = ParseBytes(text);
      if (!bytes) return Unexpected(bytes.error().WithContext("STORAGE_MAX_BYTES"));
      options_.fetch.max_bytes = options_.archive.max_total_bytes = *bytes;
    }
    KINGLET_TRY(Plugin plugin, FindPlugin(uri_));
    local_ = plugin.local_path != nullptr;
    KINGLET_TRY(filter_, PathFilter::Make(environment_.Get("STORAGE_ALLOW_PATTERNS"),
                                          environment_.Get("STORAGE_IGNORE_PATTERNS")));
    for (int restart = 0;; ++restart) {
      KINGLET_TRY(auto source, plugin.open(uri_, environment_));
      Status status = Once(*source);
      if (status) return result_;
      if (status.error().code() != Code::kAborted || restart >= kMaxRestarts) {
        return Unexpected(status.error());
      }
      LogWarning("beginning again", {{"why", status.error().message()}});
    }
  }

 private:
  Status Once(Source& source) {
    if (!destination_ && !local_) {
      KINGLET_TRY(destination_, Destination::Open(where_, context_));
    }
    if (destination_ && destination_->Complete(uri_)) {
      result_.already_complete = true;
      return {};
    }
    KINGLET_TRY(Listing listing, ListWithRetry(source));
    KINGLET_RETURN_IF_ERROR(CheckNames(listing, filter_, uri_));
    for (Object& object : listing.objects) object.ranges &= !counters_.ranges_ignored;
    if (listing.in_place) {
      result_.already_complete = true;
      return {};
    }
    if (listing.objects.empty()) return TakeLocal(listing);
    if (!destination_) {
      KINGLET_TRY(destination_, Destination::Open(where_, context_));
    }
    return Fetch(source, listing);
  }

  Result<Listing> ListWithRetry(Source& source) {
    Duration backoff = options_.fetch.first_backoff;
    std::string last;
    for (int attempt = 1;; ++attempt) {
      auto listing = source.List(context_);
      if (listing) return listing;
      Code code = listing.error().code();
      if (!last.empty() && context_.deadline.Expired()) {
        return Fail(Code::kDeadlineExceeded, "the download's deadline passed; last: {}", last);
      }
      last = listing.error().message();
      bool again = (code == Code::kUnavailable || code == Code::kDeadlineExceeded ||
                    code == Code::kResourceExhausted || code == Code::kInternal) &&
                   attempt < options_.fetch.max_failures && !context_.deadline.Expired() &&
                   !context_.stop.stop_requested();
      if (!again) return Unexpected(listing.error());
      ++counters_.retries;
      LogWarning("retrying", {{"uri", RedactUri(uri_)}, {"why", listing.error().message()}});
      Wait(backoff, context_);
      backoff = std::min(backoff * 2, options_.fetch.max_backoff);
    }
  }

  // Opens the destination and empties its staging folder; true when the model lies there already.
  Result<bool> Begin() {
    KINGLET_TRY(destination_, Destination::Open(where_, context_));
    if (destination_->Complete(uri_)) {
      result_.already_complete = true;
      return true;
    }
    KINGLET_RETURN_IF_ERROR(destination_->Empty(destination_->data()));
    return false;
  }

  Status TakeLocal(const Listing& listing) {
    const std::vector<Link>& links = listing.links;
    struct stat info{};
    if (links.size() == 1 && IsArchiveName(links[0].path) &&
        stat(links[0].target.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      return MakeLocal([&] { return Unpack(links[0].target); });
    }
    if (!options_.copy_local) return LinkAll(links, where_, result_);
    return MakeLocal([&] { return CopyLocal(links, destination_->data(), context_.stop); });
  }

  Status MakeLocal(const std::function<Result<std::vector<StagedFile>>()>& make) {
    KINGLET_TRY(bool complete, Begin());
    if (complete) return {};
    KINGLET_TRY(auto files, make());
    return Publish(files, HexEncode(Sha256(uri_)));
  }

  Status Fetch(Source& source, const Listing& listing) {
    const std::vector<Object>& objects = listing.objects;
    bool archive = objects.size() == 1 && listing.archive.value_or(IsArchiveName(objects[0].path));
    bool as_they_are = !archive && !source.assembles() &&
                       std::none_of(objects.begin(), objects.end(), [](auto& o) { return o.gzip; });
    std::string into = as_they_are ? destination_->data() : destination_->raw();
    std::string digest = ManifestDigest(uri_, objects, options_.fetch.chunk_bytes);
    KINGLET_RETURN_IF_ERROR(destination_->Prepare(into));
    bool resumed = false;
    KINGLET_TRY(Journal journal, Journal::Open(destination_->staging(), digest, &resumed));
    if (!resumed) KINGLET_RETURN_IF_ERROR(destination_->Empty(into));
    if (resumed && journal.size()) {
      LogInfo("resuming", {{"uri", RedactUri(uri_)}, {"chunks_in_place", journal.size()}});
    }
    KINGLET_TRY(Fd folder, OpenFolder(into));
    KINGLET_RETURN_IF_ERROR(FetchInto(source, objects, into, folder.get(), journal));
    std::vector<StagedFile> files;
    if (as_they_are) {
      KINGLET_TRY(files, Sizes(objects, folder.get()));
    } else {
      KINGLET_RETURN_IF_ERROR(destination_->Empty(destination_->data()));
      auto made =
          archive ? Unpack(into + "/" + objects[0].path) : Make(source, objects, folder.get());
      if (!made && made.error().code() == Code::kInvalidArgument) {
        RemoveTree(destination_->staging());  // the next attempt may find a repaired one
      } else if (!made) {
        RemoveTree(destination_->data());  // what was downloaded is kept, a bomb is not
      }
      KINGLET_TRY(files, std::move(made));
    }
    return Publish(files, digest);
  }

  Status FetchInto(Source& source, const std::vector<Object>& objects, const std::string& into,
                   int folder, Journal& journal) {
    uint64_t total = 0;
    bool known = true;
    for (const Object& object : objects) {
      total = AddWithoutWrap(total, object.size.value_or(0));
      known &= object.size.has_value();
    }
    KINGLET_RETURN_IF_ERROR(FreeSpace(folder).Check(total - std::min(total, Occupied(into))));
    if (total > options_.fetch.max_bytes) {
      return Fail(Code::kResourceExhausted,
                  "the model has {}, which is over {}: STORAGE_MAX_BYTES can allow more",
                  HumanBytes(static_cast<double>(total)),
                  HumanBytes(static_cast<double>(options_.fetch.max_bytes)));
    }
    counters_.present = counters_.files = 0;
    Reporter reporter({options_.progress_interval, options_.on_progress, options_.metrics},
                      counters_, known ? total : 0, objects.size());
    Fetcher fetcher(source, objects, folder, journal, options_.fetch, context_, counters_);
    Status fetched = fetcher.Run([&] { reporter.Tick(); });
    if (!fetched && fetched.error().code() == Code::kAborted) {
      // What lies there is of another version.
      RemoveTree(destination_->staging());
    }
    if (!fetched && fetched.error().code() == Code::kResourceExhausted && !known) {
      RemoveTree(destination_->staging());  // it filled the volume, and cannot be resumed
    }
    KINGLET_RETURN_IF_ERROR(fetched);
    reporter.Tick(true);
    return {};
  }

  static Result<std::vector<StagedFile>> Sizes(const std::vector<Object>& objects, int folder) {
    std::vector<StagedFile> files;
    for (const Object& object : objects) {
      struct stat info{};
      if (fstatat(folder, object.path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return Unexpected(ErrnoError(object.path, errno));
      }
      files.push_back({object.path, static_cast<uint64_t>(info.st_size)});
    }
    return files;
  }

  // data() from the archive.
  Result<std::vector<StagedFile>> Unpack(const std::string& archive) {
    Fd file(open(archive.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return Unexpected(ErrnoError(fmt::format("open {}", archive), errno));
    KINGLET_TRY(Fd folder, OpenFolder(destination_->data()));
    return UnpackArchive(file.get(), folder.get(), options_.archive, context_.stop);
  }

  // data() from objects that are not files of the model as they are.
  Result<std::vector<StagedFile>> Make(Source& source, const std::vector<Object>& objects,
                                       int raw) {
    KINGLET_TRY(Fd folder, OpenFolder(destination_->data()));
    if (source.assembles()) {
      return source.Assemble(raw, folder.get(), options_.archive, context_.stop);
    }
    // Files that need no decoding are moved, so raw() is worth nothing after a cut.
    unlink((destination_->staging() + "/journal").c_str());
    std::vector<StagedFile> files;
    uint64_t packed = 0;
    for (const Object& object : objects) packed = AddWithoutWrap(packed, object.size.value_or(0));
    ArchiveLimits left = Together(options_.archive, packed);
    for (const Object& object : objects) {
      const char* path = object.path.c_str();
      if (!object.gzip) {
        KINGLET_RETURN_IF_ERROR(MakeFoldersBeneath(folder.get(), object.path));
        if (renameat(raw, path, folder.get(), path) != 0) {
          return Unexpected(ErrnoError(fmt::format("move {}", path), errno));
        }
        files.push_back({object.path, object.size.value_or(0)});
        continue;
      }
      KINGLET_TRY(Fd from, CreateBeneath(raw, object.path, O_RDONLY));
      KINGLET_TRY(Fd to, CreateBeneath(folder.get(), object.path, O_WRONLY | O_CREAT));
      auto size = Gunzip(from.get(), to.get(), left, context_.stop);
      if (!size) return Unexpected(size.error().WithContext(path));
      left.max_total_bytes -= *size;
      files.push_back({object.path, *size});
    }
    return files;
  }

  Status Publish(const std::vector<StagedFile>& files, std::string_view digest) {
    KINGLET_RETURN_IF_ERROR(destination_->Commit(uri_, digest, files));
    result_.files = files.size();
    for (const StagedFile& file : files) result_.bytes += file.size;
    result_.received_bytes = counters_.received;
    result_.retries = counters_.retries;
    result_.hedges = counters_.hedges;
    return {};
  }

  std::string uri_;
  std::string where_;
  bool local_ = false;
  DownloadOptions options_;
  Environment environment_;
  Context context_;
  PathFilter filter_;
  FetchCounters counters_;
  DownloadResult result_;
  std::unique_ptr<Destination> destination_;
};

}  // namespace

Result<DownloadResult> Download(std::string_view uri, const std::string& destination,
                                const DownloadOptions& options) {
  auto started = std::chrono::steady_clock::now();
  auto result = Downloading(uri, destination, options).Run();
  if (result) {
    result->seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  }
  return result;
}

}  // namespace kinglet::storage
