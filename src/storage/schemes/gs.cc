// gs://bucket/prefix-or-object: Google Cloud Storage through its JSON API.
// https://cloud.google.com/storage/docs/json_api/v1
#include <charconv>

#include "base/encoding.h"
#include "base/uri.h"
#include "storage/google_credentials.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kPrefix = "gs://";
constexpr const char* kFields = "name,size,generation,md5Hash,crc32c,contentEncoding";

class GoogleSource final : public Source {
 public:
  GoogleSource(std::string uri, std::string bucket, std::string path, std::string endpoint,
               std::unique_ptr<GoogleCredentials> credentials, std::unique_ptr<http::Client> client)
      : uri_(std::move(uri)),
        bucket_(std::move(bucket)),
        path_(std::move(path)),
        endpoint_(std::move(endpoint)),
        credentials_(std::move(credentials)),
        client_(std::move(client)) {}

  // KServe's rules: what lies below "path/", the path cut off; where nothing does, the object of
  // that name alone, never one whose name only begins so.
  Result<Listing> List(const Context& context) override {
    context_ = context;
    std::string prefix = path_.empty() || path_.ends_with('/') ? path_ : path_ + "/";
    Listing listing;
    std::string token;
    Pages pages;
    while (true) {
      std::vector<std::pair<std::string, std::string>> query = {
          {"prefix", prefix}, {"fields", fmt::format("nextPageToken,items({})", kFields)}};
      if (!token.empty()) query.emplace_back("pageToken", token);
      KINGLET_TRY(auto answer, Get(Url("", query)));
      if (!answer) {
        return Fail(Code::kNotFound, "gs://{}: The specified bucket does not exist.", bucket_);
      }
      for (const Json& item : (*answer)["items"].AsArray()) {
        std::string name =
            item["name"].AsString().substr(std::min(prefix.size(), item["name"].AsString().size()));
        name.erase(0, name.find_first_not_of('/'));
        if (name.empty() || name.ends_with('/')) continue;
        KINGLET_TRY(Object object, MakeObject(item, std::move(name)));
        KINGLET_RETURN_IF_ERROR(listing.Add(std::move(object)));
      }
      token = (*answer)["nextPageToken"].AsString();
      if (token.empty()) break;
      KINGLET_RETURN_IF_ERROR(pages.Turn(token, uri_));
    }
    if (listing.objects.empty() && !path_.empty() && !path_.ends_with('/')) {
      KINGLET_TRY(auto item, Get(Url(path_, {{"fields", kFields}})));
      if (item) {
        KINGLET_TRY(Object object, MakeObject(*item, path_.substr(path_.rfind('/') + 1)));
        KINGLET_RETURN_IF_ERROR(listing.Add(std::move(object)));
      }
    }
    if (listing.objects.empty()) {
      return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", uri_);
    }
    return listing;
  }

  Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                   bool whole) override {
    KINGLET_TRY(auto request,
                Request(Url(object.locator, {{"alt", "media"}, {"generation", object.etag}})));
    if (!whole) {
      request.headers.Add("Range", fmt::format("bytes={}-{}", first, first + count - 1));
    }
    // Without it the store would decode such an object, and its size and checksums would not hold.
    request.headers.Add("Accept-Encoding", object.gzip ? "gzip" : "identity");
    return request;
  }

  http::Client& client() override { return *client_; }

  bool Renew(const http::ClientResponse& answer) override {
    return answer.status == 401 && credentials_ && credentials_->Renew();
  }

  Error StatusError(const Object& object, const http::ClientResponse& head) const override {
    // The generation that was listed is gone.
    if (head.status == 404) {
      return Error(Code::kAborted, fmt::format("gs://{}/{}: the object changed while it was "
                                               "downloaded",
                                               bucket_, object.locator));
    }
    return Error(CodeFromHttpStatus(head.status),
                 fmt::format("gs://{}/{}: {}", bucket_, object.locator, Explain(head)));
  }

 private:
  static std::string Explain(const http::ClientResponse& response) {
    auto json = Json::Parse(response.body);
    if (!json || !(*json)["error"]["message"].IsString()) return DescribeStatus(response);
    return fmt::format("HTTP {} {}", response.status, (*json)["error"]["message"].AsString());
  }

  std::string Url(std::string_view object,
                  const std::vector<std::pair<std::string, std::string>>& query) const {
    return fmt::format("{}/storage/v1/b/{}/o{}{}?{}", endpoint_, UrlEncode(bucket_),
                       object.empty() ? "" : "/", UrlEncode(object), FormEncode(query));
  }

  Result<http::ClientRequest> Request(std::string url) {
    http::ClientRequest request;
    request.url = std::move(url);
    request.stop = context_.stop;
    request.deadline = context_.deadline;
    request.stall_timeout = context_.stall_timeout;
    if (credentials_) {
      KINGLET_TRY(std::string token, credentials_->Token(context_));
      if (!token.empty()) request.headers.Add("Authorization", "Bearer " + token);
    }
    return request;
  }

  // Nothing for 404.
  Result<std::optional<Json>> Get(const std::string& url) {
    for (int attempt = 0;; ++attempt) {
      KINGLET_TRY(auto request, Request(url));
      KINGLET_TRY(auto response, client_->Do(request, size_t{64} << 20));
      if (response.status == 404) return std::nullopt;
      if (response.status != 200) {
        if (attempt == 0 && Renew(response)) continue;
        return Fail(CodeFromHttpStatus(response.status), "{}: {}", uri_, Explain(response));
      }
      auto json = ParseListing(response.body);
      if (!json) return Unexpected(json.error().WithContext(uri_));
      return *json;
    }
  }

  Result<Object> MakeObject(const Json& item, std::string path) const {
    Object object{.path = std::move(path), .locator = item["name"].AsString()};
    const std::string& text = item["size"].AsString();
    uint64_t size = 0;
    if (text.empty() ||
        std::from_chars(text.data(), text.data() + text.size(), size).ec != std::errc()) {
      return Fail(Code::kUnavailable, "the listing of gs://{} has no size for {}", bucket_,
                  object.locator);
    }
    object.size = size;
    object.etag = item["generation"].AsString();
    object.gzip = item["contentEncoding"].AsString() == "gzip";
    auto md5 = Base64Decode(item["md5Hash"].AsString());
    auto crc = Base64Decode(item["crc32c"].AsString());
    // What Google recommends, composed objects have nothing else, and ten times as fast.
    if (crc && crc->size() == 4) {
      object.checksum = {"crc32c", *crc};
    } else if (md5 && md5->size() == 16) {
      object.checksum = {"md5", *md5};
    }
    return object;
  }

  std::string uri_, bucket_, path_, endpoint_;
  std::unique_ptr<GoogleCredentials> credentials_;  // null: anonymous
  std::unique_ptr<http::Client> client_;
  Context context_;  // List's
};

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  std::string_view rest = uri.substr(kPrefix.size());
  size_t slash = rest.find('/');
  std::string bucket(rest.substr(0, slash));
  std::string path(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
  if (bucket.empty()) return Fail(Code::kInvalidArgument, "no bucket name in {}", RedactUri(uri));
  std::string endpoint = environment.Get("STORAGE_EMULATOR_HOST");
  // An emulator is asked without credentials, as Google's own clients do.
  auto credentials = endpoint.empty() ? std::make_unique<GoogleCredentials>(environment) : nullptr;
  if (endpoint.empty()) {
    endpoint = "https://storage.googleapis.com";
  } else if (endpoint.find("://") == std::string::npos) {
    endpoint = "http://" + endpoint;
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  KINGLET_TRY(auto options, WebOptions(environment));
  return std::make_unique<GoogleSource>(RedactUri(uri), std::move(bucket), std::move(path),
                                        std::move(endpoint), std::move(credentials),
                                        http::Client::Make(std::move(options)));
}

}  // namespace

Plugin Plugin_gs() { return {.order = 20, .prefixes = {kPrefix}, .form = "", .open = Open}; }

}  // namespace kinglet::storage
