// oci://registry/repository[:tag|@digest] and oci+fetch://: the files beneath /models of a
// container image, pulled from its registry layer by layer.
// https://github.com/opencontainers/image-spec
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>

#include "base/encoding.h"
#include "base/uri.h"
#include "storage/archive.h"
#include "storage/limits.h"
#include "storage/oci_registry.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "oci://", kFetchPrefix = "oci+fetch://";
constexpr size_t kMaxLayers = 1000;  // engines that make images stop at 127
constexpr std::string_view kModels = "models";
constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq";

// The bytes of "sha256:<64 digits>".
std::optional<std::string> Sha256Of(std::string_view digest) {
  if (!digest.starts_with("sha256:")) return {};
  auto bytes = HexDecode(digest.substr(7));
  return bytes && bytes->size() == 32 ? std::optional(*bytes) : std::nullopt;
}

std::string Architecture() {
  utsname name{};
  uname(&name);
  std::string machine = name.machine;
  return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
}

class ImageSource final : public Source {
 public:
  ImageSource(std::string uri, std::unique_ptr<OciRegistry> registry)
      : uri_(std::move(uri)), registry_(std::move(registry)) {}

  Result<Listing> List(const Context& context) override {
    context_ = context;
    KINGLET_TRY(Json manifest, registry_->Manifest(registry_->image().reference, context));
    if (manifest["manifests"].IsArray()) {
      KINGLET_TRY(std::string digest, ForThisMachine(manifest));
      if (!Sha256Of(digest)) {
        return Fail(Code::kFailedPrecondition,
                    "{}: the index names a manifest without a sha256 digest", uri_);
      }
      KINGLET_TRY(manifest, registry_->Manifest(digest, context));
    }
    Listing listing;
    for (const Json& layer : manifest["layers"].AsArray()) {
      const std::string& digest = layer["digest"].AsString();
      auto sha256 = Sha256Of(digest);
      if (listing.objects.size() >= kMaxLayers) {
        return Fail(Code::kFailedPrecondition, "{}: the image has over {} layers", uri_,
                    kMaxLayers);
      }
      if (!sha256 || layer["size"].AsInt(-1) < 0) {
        return Fail(Code::kFailedPrecondition, "{}: a layer without a sha256 digest and a size",
                    uri_);
      }
      listing.objects.push_back({.path = fmt::format("layer-{:05}", listing.objects.size()),
                                 .locator = digest,
                                 .size = static_cast<uint64_t>(layer["size"].AsInt()),
                                 .etag = digest,
                                 .checksum = {"sha256", *sha256}});
    }
    layers_ = listing.objects.size();
    packed_ = 0;
    for (const Object& layer : listing.objects) packed_ = AddWithoutWrap(packed_, *layer.size);
    if (layers_ == 0) return Fail(Code::kNotFound, "{}: the image has no layers", uri_);
    listing.archive = false;
    return listing;
  }

  Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                   bool whole) override {
    KINGLET_TRY(auto request, registry_->Blob(object.locator, context_));
    if (!whole) {
      request.headers.Add("Range", fmt::format("bytes={}-{}", first, first + count - 1));
    }
    return request;
  }

  http::Client& client() override { return registry_->client(); }
  bool Renew(const http::ClientResponse& answer) override {
    return registry_->Authorise(answer, context_);
  }

  bool assembles() const override { return true; }

  // Later layers go over earlier ones; a whiteout removes what lies below it.
  Result<std::vector<StagedFile>> Assemble(int raw, int folder, const ArchiveLimits& limits,
                                           std::stop_token stop) override {
    // The kernel's names for the descriptors, so that std::filesystem can be used beneath them.
    fs::path root = fmt::format("/proc/self/fd/{}", folder);
    ArchiveLimits left = Together(limits, packed_);  // of all layers
    for (size_t i = 0; i < layers_; ++i) {
      KINGLET_TRY(Fd layer, CreateBeneath(raw, fmt::format("layer-{:05}", i), O_RDONLY));
      fs::path unpacked = fs::path(fmt::format("/proc/self/fd/{}", raw)) / "unpacked";
      RemoveTree(unpacked);
      std::error_code error;
      fs::create_directory(unpacked, error);
      KINGLET_TRY(Fd into, OpenFolder(unpacked));
      auto files = UnpackArchive(layer.get(), into.get(), left, stop, kModels);
      if (!files) {
        RemoveTree(unpacked);
        return Unexpected(files.error().WithContext(fmt::format("layer {}", i)));
      }
      for (const StagedFile& file : *files) left.max_total_bytes -= file.size;
      left.max_entries -= files->size();
      KINGLET_RETURN_IF_ERROR(Lay(unpacked, root));
      RemoveTree(unpacked);
    }
    std::vector<StagedFile> files;
    std::map<std::string, std::string> links;
    std::error_code error;
    for (auto& entry : fs::recursive_directory_iterator(root, error)) {
      std::string name = entry.path().lexically_relative(root);
      bool link = entry.is_symlink(error);
      if (link) links[name] = fs::read_symlink(entry.path(), error);
      if (link || entry.is_regular_file(error)) {
        files.push_back({name, link ? 0 : entry.file_size(error)});
      }
    }
    KINGLET_RETURN_IF_ERROR(CheckLinks(links));  // those of different layers together
    if (files.empty()) {
      return Fail(Code::kNotFound, "{}: the image has no files beneath /models", uri_);
    }
    return files;
  }

  Error StatusError(const Object& object, const http::ClientResponse& head) const override {
    return Error(CodeFromHttpStatus(head.status),
                 fmt::format("{}: layer {}: {}", uri_, object.locator, DescribeStatus(head)));
  }

 private:
  Result<std::string> ForThisMachine(const Json& index) const {
    std::string architecture = Architecture();
    for (const Json& entry : index["manifests"].AsArray()) {
      const Json& platform = entry["platform"];
      bool fits = platform["os"].AsString() == "linux" &&
                  platform["architecture"].AsString() == architecture;
      if (fits) return entry["digest"].AsString();
    }
    // Models made without a platform: data is the same everywhere.
    if (index["manifests"].size() == 1) return index["manifests"][0]["digest"].AsString();
    return Fail(Code::kNotFound, "{}: the image has nothing for linux/{}", uri_, architecture);
  }

  // Puts one layer's entries over the folder.
  static Status Lay(const fs::path& layer, const fs::path& folder) {
    std::error_code error;
    if (fs::exists(layer / kOpaque, error)) {
      for (auto& entry : fs::directory_iterator(folder, error)) fs::remove_all(entry.path(), error);
    }
    for (auto& entry : fs::directory_iterator(layer, error)) {
      std::string name = entry.path().filename();
      if (!name.starts_with(kWhiteout)) continue;
      std::string removed = name.substr(kWhiteout.size());
      if (!removed.empty() && removed != "." && removed != "..") {
        fs::remove_all(folder / removed, error);
      }
      fs::remove(entry.path(), error);
    }
    for (auto& entry : fs::directory_iterator(layer, error)) {
      fs::path to = folder / entry.path().filename();
      bool merge = fs::is_directory(entry.symlink_status()) &&
                   fs::is_directory(fs::symlink_status(to, error));
      if (merge) {
        KINGLET_RETURN_IF_ERROR(Lay(entry.path(), to));
        continue;
      }
      fs::remove_all(to, error);
      fs::rename(entry.path(), to, error);
      if (error) {
        return Fail(Code::kInternal, "cannot place {}: {}", to.filename().string(),
                    error.message());
      }
    }
    return {};
  }

  std::string uri_;
  std::unique_ptr<OciRegistry> registry_;
  size_t layers_ = 0;
  uint64_t packed_ = 0;  // bytes of all layers
  Context context_;      // List's
};

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  std::string_view name =
      uri.substr(uri.starts_with(kPrefix) ? kPrefix.size() : kFetchPrefix.size());
  KINGLET_TRY(auto image, ParseImage(name));
  KINGLET_TRY(auto options, WebOptions(environment));
  options.max_redirects = 5;  // registries keep their blobs elsewhere
  auto registry = std::make_unique<OciRegistry>(std::move(image), environment,
                                                http::Client::Make(std::move(options)));
  return std::make_unique<ImageSource>(RedactUri(uri), std::move(registry));
}

}  // namespace

Plugin Plugin_oci() {
  return {.order = 20, .prefixes = {kPrefix, kFetchPrefix}, .form = "", .open = Open};
}

}  // namespace kinglet::storage
