// file:// and plain paths: nothing is copied, the entries are linked into the destination.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "storage/plugin.h"
#include "storage/scheme.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kPrefix = "file://";
constexpr std::string_view kPvc = "/mnt/pvc";
constexpr std::string_view kModels = "/mnt/models";
constexpr std::string_view kKernelFolders[] = {"/proc", "/sys", "/dev"};

std::string PathOf(std::string_view uri) {
  if (uri.starts_with(kPrefix)) uri.remove_prefix(kPrefix.size());
  return std::string(uri);
}

// What the kernel shows as files (environments, memory, devices) is not a model.
bool IsOfTheKernel(const std::filesystem::path& path) {
  const std::string text = path;
  if (text == "/dev/shm" || text.starts_with("/dev/shm/")) return false;
  return std::ranges::any_of(kKernelFolders, [&](std::string_view folder) {
    return text == folder || (text.starts_with(folder) && text[folder.size()] == '/');
  });
}

class FileSource final : public Source {
 public:
  explicit FileSource(std::string_view uri) : uri_(uri), path_(PathOf(uri)) {}

  Result<Listing> List(const Context&) override {
    namespace fs = std::filesystem;
    std::error_code error;
    bool exists = fs::exists(path_, error);
    if (!exists && uri_.starts_with(kPvc)) {
      return Fail(Code::kNotFound, "Cannot locate source uri {} for PVC", uri_);
    }
    Listing listing;
    if (!exists && uri_.starts_with(kModels)) {
      listing.in_place = true;
      return listing;
    }
    if (!exists) return Fail(Code::kNotFound, "Local path {} does not exist.", uri_);
    fs::path whole = fs::absolute(path_, error).lexically_normal();
    if (IsOfTheKernel(whole) || IsOfTheKernel(fs::canonical(whole, error))) {
      return Fail(Code::kInvalidArgument, "{} is a file of the kernel, not a model", uri_);
    }
    if (fs::is_directory(whole, error)) {
      for (fs::directory_iterator it(whole, error), end; !error && it != end; it.increment(error)) {
        std::string name = it->path().filename();
        // As a shell's "*": names that begin with a dot are not part of a model.
        if (!name.starts_with('.')) listing.links.push_back({name, it->path()});
      }
      if (error) return Fail(Code::kPermissionDenied, "cannot list {}: {}", path_, error.message());
      std::sort(listing.links.begin(), listing.links.end(),
                [](const Link& a, const Link& b) { return a.path < b.path; });
    } else {
      listing.links.push_back({whole.filename(), whole});
    }
    if (listing.links.empty()) {
      return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", uri_);
    }
    return listing;
  }

  Result<http::ClientRequest> Read(const Object&, uint64_t, uint64_t, bool) override {
    return Fail(Code::kUnimplemented, "local files are linked, not read");
  }
  http::Client& client() override {
    if (!client_) client_ = http::Client::Make();
    return *client_;
  }

 private:
  std::string uri_, path_;
  std::unique_ptr<http::Client> client_;
};

bool Recognises(std::string_view uri) {
  if (uri.starts_with(kPrefix) || uri.starts_with('/')) return true;
  std::error_code error;
  return uri.find("://") == std::string_view::npos && std::filesystem::exists(uri, error);
}

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment&) {
  return std::make_unique<FileSource>(uri);
}

}  // namespace

Plugin Plugin_file() {
  return {.order = 10,
          .prefixes = {kPrefix},
          .form = "",
          .local_path = PathOf,
          .recognises = Recognises,
          .open = Open};
}

}  // namespace kinglet::storage
