// hf://owner/model[:revision]: a snapshot of a repository of the Hugging Face Hub.
// https://huggingface.co/docs/hub/api
#include <set>

#include "base/encoding.h"
#include "base/file.h"
#include "base/uri.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kPrefix = "hf://";
constexpr std::string_view kIndex = ".safetensors.index.json";
constexpr size_t kMaxAnswer = size_t{64} << 20;
constexpr size_t kMaxIndexes = 100;  // each is fetched before the download

class HubSource final : public Source {
 public:
  HubSource(std::string uri, std::string repository, std::string revision, std::string endpoint,
            std::string token, std::unique_ptr<http::Client> client)
      : uri_(std::move(uri)),
        repository_(std::move(repository)),
        revision_(std::move(revision)),
        endpoint_(std::move(endpoint)),
        token_(std::move(token)),
        client_(std::move(client)) {}

  Result<Listing> List(const Context& context) override {
    context_ = context;
    auto request = Request(fmt::format("{}/api/models/{}/revision/{}?blobs=true", endpoint_,
                                       repository_, UrlEncode(revision_)));
    KINGLET_TRY(auto response, client_->Do(request, kMaxAnswer));
    if (response.status != 200) return Unexpected(Refusal(response));
    auto info = ParseListing(response.body);
    if (!info) return Unexpected(info.error().WithContext(uri_));
    // Branches move: everything is read from the commit they were at.
    commit_ = (*info)["sha"].StringOr(revision_);
    Listing listing;
    for (const Json& file : (*info)["siblings"].AsArray()) {
      Object object{.path = file["rfilename"].AsString(), .locator = file["rfilename"].AsString()};
      const Json& large = file["lfs"];
      const Json& size = large["size"].IsNull() ? file["size"] : large["size"];
      if (size.IsInt()) object.size = static_cast<uint64_t>(std::max<int64_t>(size.AsInt(), 0));
      auto sha256 = HexDecode(large["sha256"].AsString());
      auto blob = HexDecode(file["blobId"].AsString());
      if (sha256 && sha256->size() == 32) {
        object.checksum = {"sha256", *sha256};
      } else if (large.IsNull() && blob && blob->size() == 20) {
        object.checksum = {"git-blob", *blob};
      }
      object.etag = commit_;
      KINGLET_RETURN_IF_ERROR(listing.Add(std::move(object)));
    }
    KINGLET_RETURN_IF_ERROR(CheckShards(listing.objects));
    return listing;
  }

  Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                   bool whole) override {
    auto request = Request(FileUrl(object.locator));
    if (!whole) {
      request.headers.Add("Range", fmt::format("bytes={}-{}", first, first + count - 1));
    }
    return request;
  }

  http::Client& client() override { return *client_; }

  // A store behind the hub refuses an address that was signed too long ago; the hub signs a new one
  // for the next request, which is made anew.
  bool Renew(const http::ClientResponse& answer) override {
    return answer.status == 403 && !answer.final_url.starts_with(endpoint_ + "/");
  }

 private:
  std::string FileUrl(std::string_view path) const {
    return fmt::format("{}/{}/resolve/{}/{}", endpoint_, repository_, UrlEncode(commit_),
                       UrlEncode(path, "/"));
  }

  http::ClientRequest Request(std::string url) const {
    http::ClientRequest request;
    request.url = std::move(url);
    request.headers.Add("Accept-Encoding", "identity");
    if (!token_.empty()) request.headers.Add("Authorization", "Bearer " + token_);
    request.stop = context_.stop;
    request.deadline = context_.deadline;
    request.stall_timeout = context_.stall_timeout;
    return request;
  }

  Error Refusal(const http::ClientResponse& response) const {
    std::string why(response.headers.Get("x-error-message"));
    if (why.empty()) why = DescribeStatus(response);
    if (response.status == 401 || response.status == 403) {
      why += token_.empty() ? "; a private or gated model needs a token in HF_TOKEN"
                            : "; the token in HF_TOKEN may not read this model";
    }
    return Error(CodeFromHttpStatus(response.status),
                 fmt::format("{} (revision {}): {}", uri_, revision_, why));
  }

  // A repository whose index names a shard that is not there cannot be served: said before hours of
  // downloading.
  Status CheckShards(const std::vector<Object>& objects) {
    std::set<std::string_view> names;
    for (const Object& object : objects) names.insert(object.path);
    size_t indexes = 0;
    for (const Object& object : objects) {
      if (!object.path.ends_with(kIndex)) continue;
      if (++indexes > kMaxIndexes) {
        return Fail(Code::kFailedPrecondition, "{}: the repository has over {} indexes of shards",
                    uri_, kMaxIndexes);
      }
      KINGLET_TRY(auto response, client_->Do(Request(FileUrl(object.locator)), kMaxAnswer));
      if (response.status != 200) return Unexpected(StatusError(object, response));
      auto index = ParseListing(response.body);
      if (!index) return Unexpected(index.error().WithContext(object.path));
      std::string folder = object.path.substr(0, object.path.rfind('/') + 1);
      for (auto& [tensor, shard] : (*index)["weight_map"].AsObject()) {
        if (names.contains(folder + shard.AsString())) continue;
        return Fail(Code::kFailedPrecondition, "{}: {} names {}, which the repository lacks", uri_,
                    object.path, shard.AsString());
      }
    }
    return {};
  }

  std::string uri_, repository_, revision_, endpoint_, token_, commit_;
  std::unique_ptr<http::Client> client_;
  Context context_;  // List's
};

std::string ReadToken(const Environment& environment) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (std::string token = environment.Get(name); !token.empty()) return token;
  }
  std::string path = environment.Get("HF_TOKEN_PATH");
  if (path.empty()) {
    std::string home = environment.Get("HF_HOME");
    path = (home.empty() ? environment.Get("HOME") + "/.cache/huggingface" : home) + "/token";
  }
  auto text = ReadFile(path, 64 << 10);
  if (!text) return "";
  while (!text->empty() && static_cast<unsigned char>(text->back()) <= ' ') text->pop_back();
  return *text;
}

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  std::string_view rest = uri.substr(kPrefix.size());
  size_t slash = rest.find('/');
  if (slash == std::string_view::npos || rest.find('/', slash + 1) != std::string_view::npos) {
    return Fail(Code::kInvalidArgument,
                "URI must contain exactly one '/' separating the repo and model name");
  }
  std::string_view owner = rest.substr(0, slash), model = rest.substr(slash + 1);
  if (owner.empty()) return Fail(Code::kInvalidArgument, "Repository name cannot be empty");
  size_t colon = model.find(':');
  std::string revision(colon == std::string_view::npos ? "" : model.substr(colon + 1));
  model = model.substr(0, colon);
  if (model.empty()) return Fail(Code::kInvalidArgument, "Model name cannot be empty");
  if (revision.empty()) revision = "main";
  std::string endpoint = environment.Get("HF_ENDPOINT");
  if (endpoint.empty()) endpoint = "https://huggingface.co";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  KINGLET_TRY(auto options, WebOptions(environment));
  options.max_redirects = 10;
  return std::make_unique<HubSource>(
      RedactUri(uri), fmt::format("{}/{}", UrlEncode(owner), UrlEncode(model)), std::move(revision),
      std::move(endpoint), ReadToken(environment), http::Client::Make(std::move(options)));
}

}  // namespace

Plugin Plugin_hf() { return {.order = 20, .prefixes = {kPrefix}, .form = "", .open = Open}; }

}  // namespace kinglet::storage
