// http:// and https://: one file, fetched by ranges when the server can.
#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "base/text.h"
#include "base/uri.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr int kMaxRedirects = 10;

enum class Kind { kZip, kTar, kOther };

Kind KindOfName(std::string_view name) {
  std::string lower = AsciiLower(name);
  if (lower.ends_with(".zip")) return Kind::kZip;
  for (std::string_view suffix : {".tar", ".tgz", ".taz", ".tz", ".tar.gz", ".tar.bz2", ".tbz2",
                                  ".tar.xz", ".txz", ".tar.z"}) {
    if (lower.ends_with(suffix)) return Kind::kTar;
  }
  return Kind::kOther;
}

// From the path's extension, or from the query's where the path says nothing, as KServe guesses.
Kind GuessKind(const Uri& uri) {
  Kind kind = KindOfName(uri.path);
  return kind == Kind::kOther ? KindOfName(uri.query) : kind;
}

// "bytes 0-0/1234" -> 1234.
std::optional<uint64_t> TotalOf(std::string_view content_range) {
  size_t slash = content_range.rfind('/');
  if (!content_range.starts_with("bytes ") || slash == std::string_view::npos) return {};
  std::string_view total = content_range.substr(slash + 1);
  uint64_t value = 0;
  auto [end, error] = std::from_chars(total.data(), total.data() + total.size(), value);
  if (error != std::errc() || end != total.data() + total.size()) return {};
  return value;
}

class HttpSource final : public Source {
 public:
  HttpSource(std::string uri, Uri parsed, http::Headers headers,
             std::unique_ptr<http::Client> client)
      : uri_(std::move(uri)),
        shown_(RedactUri(uri_)),
        parsed_(std::move(parsed)),
        headers_(std::move(headers)),
        client_(std::move(client)) {}

  // Asks for the first byte: the answer tells the size, the validator and whether ranges work.
  // HEAD would be simpler, but presigned URLs and many model servers refuse it.
  Result<Listing> List(const Context& context) override {
    std::string name = parsed_.path.substr(parsed_.path.rfind('/') + 1);
    if (name.empty())
      return Fail(Code::kInvalidArgument, "No filename contained in URI: {}", shown_);
    http::ClientRequest request = Request(context);
    request.headers.Add("Range", "bytes=0-0");
    http::ClientResponse head;
    Status probed;
    auto response = client_->Stream(
        request,
        [&](const http::ClientResponse& r) -> Status {
          head = r;
          // A server that ignores ranges would send the whole file now.
          return Fail(Code::kAborted, "enough");
        },
        [](std::string_view) -> Status { return {}; });
    if (!response && response.error().code() != Code::kAborted) {
      return Unexpected(response.error());
    }
    Object object{.path = name, .locator = shown_};
    bool empty_file = head.status == 416 && head.headers.Get("content-range") == "bytes */0";
    if (head.status != 200 && head.status != 206 && !empty_file) {
      return Unexpected(StatusError(object, head));
    }
    if (!empty_file) KINGLET_RETURN_IF_ERROR(CheckType(head));
    std::string_view etag = head.headers.Get("etag");
    if (etag.starts_with('"')) {
      object.etag = etag;
    } else if (etag.empty()) {
      object.etag = head.headers.Get("last-modified");
    }
    if (empty_file) {
      object.size = 0;
    } else if (head.status == 206) {
      object.size = TotalOf(head.headers.Get("content-range"));
    } else {
      uint64_t size = 0;
      std::string_view length = head.headers.Get("content-length");
      auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), size);
      if (!length.empty() && error == std::errc()) object.size = size;
    }
    object.ranges = head.status == 206 && object.size.has_value();
    bool all = head.status == 200 || object.size == 1;
    object.checksum = all ? ChecksumFromHeaders(head.headers) : ChecksumFromDigest(head.headers);
    Listing listing;
    Kind kind = GuessKind(parsed_);
    listing.archive = kind != Kind::kOther;
    Decoding(head, kind, object);
    listing.objects.push_back(std::move(object));
    return listing;
  }

  Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                   bool whole) override {
    http::ClientRequest request = Request({});
    if (!whole) {
      request.headers.Add("Range", fmt::format("bytes={}-{}", first, first + count - 1));
      if (!object.etag.empty()) request.headers.Add("If-Range", object.etag);
    }
    return request;
  }
  http::Client& client() override { return *client_; }

  Error StatusError(const Object&, const http::ClientResponse& head) const override {
    return Error(CodeFromHttpStatus(head.status),
                 fmt::format("URI: {} returned a {} response code.", shown_, head.status));
  }

 private:
  http::ClientRequest Request(const Context& context) const {
    http::ClientRequest request;
    request.url = uri_;
    request.headers = headers_;
    if (!request.headers.Has("accept-encoding")) request.headers.Add("Accept-Encoding", "identity");
    request.stop = context.stop;
    request.deadline = context.deadline;
    request.stall_timeout = context.stall_timeout;
    return request;
  }

  // What a server encodes is decoded. A ".gz" that is no archive is too, and gets the name that
  // KServe gives it. (Unpacking an archive undoes its compression by itself.)
  static void Decoding(const http::ClientResponse& head, Kind kind, Object& object) {
    std::string_view encoding = head.headers.Get("content-encoding");
    bool named = kind == Kind::kOther && AsciiLower(object.path).ends_with(".gz");
    object.gzip = encoding == "gzip" || encoding == "x-gzip" || named;
    if (named) object.path += ".tar";
  }

  Status CheckType(const http::ClientResponse& head) const {
    std::string_view type = head.headers.Get("content-type");
    static constexpr std::string_view kZip[] = {"application/x-zip-compressed", "application/zip",
                                                "application/zip-compressed"};
    static constexpr std::string_view kTar[] = {"application/x-tar", "application/x-gtar",
                                                "application/x-gzip", "application/gzip"};
    auto any = [&](std::span<const std::string_view> types) -> Status {
      for (std::string_view known : types) {
        if (type.starts_with(known)) return {};
      }
      return Fail(Code::kFailedPrecondition,
                  "URI: {} did not respond with any of following 'Content-Type': {}", shown_,
                  fmt::join(types, ", "));
    };
    switch (GuessKind(parsed_)) {
      case Kind::kZip:
        return any(kZip);
      case Kind::kTar:
        return any(kTar);
      case Kind::kOther:
        if (type.starts_with("application/octet-stream")) return {};
        return Fail(Code::kFailedPrecondition,
                    "URI: {} did not respond with 'Content-Type': 'application/octet-stream'",
                    shown_);
    }
    return {};
  }

  std::string uri_, shown_;  // for requests, for people
  Uri parsed_;
  http::Headers headers_;
  std::unique_ptr<http::Client> client_;
};

bool Recognises(std::string_view uri) {
  for (std::string_view prefix : {"http://", "https://"}) {
    if (!uri.starts_with(prefix)) continue;
    size_t slash = uri.find('/', prefix.size() + 1);
    return slash != std::string_view::npos && slash + 1 < uri.size();
  }
  return false;
}

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  KINGLET_TRY(Uri parsed, Uri::Parse(uri));
  http::Headers headers;
  std::string name = parsed.host + "-headers";
  std::string text = environment.Get(name);
  if (!text.empty()) {
    auto json = Json::Parse(text);
    if (!json) return Unexpected(json.error().WithContext(name));
    for (auto& [key, value] : json->AsObject()) {
      headers.Add(key, value.IsString() ? value.AsString() : value.Dump());
    }
  }
  KINGLET_TRY(http::ClientOptions options, WebOptions(environment));
  options.max_redirects = kMaxRedirects;
  RestrictToPublic(options, environment);
  return std::make_unique<HttpSource>(std::string(uri), std::move(parsed), std::move(headers),
                                      http::Client::Make(std::move(options)));
}

}  // namespace

Plugin Plugin_http() {
  return {.order = 90,
          .prefixes = {"https://", "http://"},
          .form = "",
          .recognises = Recognises,
          .open = Open};
}

}  // namespace kinglet::storage
