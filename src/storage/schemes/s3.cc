// s3://bucket/key-or-prefix: Amazon S3 and what speaks its REST API.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <ctime>

#include "base/encoding.h"
#include "base/file.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/text.h"
#include "base/uri.h"
#include "storage/aws_credentials.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/sigv4.h"
#include "storage/web.h"
#include "storage/xml.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kPrefix = "s3://";

struct Settings {
  Uri endpoint;
  bool aws = false;  // Amazon's own endpoint, which depends on the region
  bool virtual_style = false, accelerate = false, anonymous = false;
  std::string region;
  http::Headers object_fields;  // for requests of objects: a customer's key
  std::string request_payer;    // for all requests
};

// Seconds that the server's clock is ahead, from its Date field.
std::optional<Duration> ClockSkew(std::string_view date) {
  tm parts{};
  std::string text(date);
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (!end || *end || parts.tm_year > 200) return {};  // a clock's nanoseconds end in 2262
  return std::chrono::system_clock::from_time_t(timegm(&parts)) - std::chrono::system_clock::now();
}

// Whether a bucket's name can stand in a host name that a wildcard certificate covers.
bool DnsBucket(std::string_view bucket) {
  return bucket.size() >= 3 && bucket.size() <= 63 &&
         std::all_of(bucket.begin(), bucket.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

class S3Source final : public Source {
 public:
  S3Source(std::string bucket, std::string prefix, Settings settings,
           std::unique_ptr<AwsCredentialChain> credentials, std::unique_ptr<http::Client> client)
      : bucket_(std::move(bucket)),
        prefix_(std::move(prefix)),
        settings_(std::move(settings)),
        region_(settings_.region),
        credentials_(std::move(credentials)),
        client_(std::move(client)) {}

  // KServe's rules: keys that end in "/" are folders; a key equal to the prefix is the model and
  // the only object; otherwise the prefix and slashes after it are cut off every key that begins
  // with it.
  Result<Listing> List(const Context& context) override {
    context_ = context;
    Listing listing;
    std::string token;
    Pages pages;
    while (true) {
      KINGLET_TRY(XmlElement root, Page(token, context));
      for (const XmlElement& entry : root.children) {
        if (entry.name != "Contents") continue;
        std::string key = entry.Text("Key");
        if (root.Text("EncodingType") == "url") {
          std::replace(key.begin(), key.end(), '+', ' ');
          KINGLET_TRY(key, UrlDecode(key));
        }
        if (key.ends_with('/') || !key.starts_with(prefix_)) continue;
        Object object{.locator = key, .etag = entry.Text("ETag")};
        uint64_t size = 0;
        const std::string& text = entry.Text("Size");
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
        if (text.empty() || error != std::errc()) {
          return Fail(Code::kUnavailable, "the listing of s3://{} has no size for {}", bucket_,
                      key);
        }
        object.size = size;
        if (key == prefix_) {
          object.path = key.substr(key.rfind('/') + 1);
          listing.objects.assign(1, std::move(object));
          return listing;
        }
        object.path = key.substr(prefix_.size());
        object.path.erase(0, object.path.find_first_not_of('/'));
        KINGLET_RETURN_IF_ERROR(listing.Add(std::move(object)));
      }
      if (root.Text("IsTruncated") != "true") break;
      token = root.Text("NextContinuationToken");
      if (token.empty()) {
        return Fail(Code::kUnavailable, "the listing of s3://{} is cut and has no next page",
                    bucket_);
      }
      KINGLET_RETURN_IF_ERROR(pages.Turn(token, "s3://" + bucket_));
    }
    if (listing.objects.empty()) {
      return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", prefix_);
    }
    return listing;
  }

  Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                   bool whole) override {
    http::Headers headers;
    if (!whole) headers.Add("Range", fmt::format("bytes={}-{}", first, first + count - 1));
    if (whole) headers.Add("x-amz-checksum-mode", "ENABLED");
    if (!object.etag.empty()) headers.Add("If-Match", object.etag);
    return Make("GET", object.locator, {}, std::move(headers));
  }

  http::Client& client() override { return *client_; }

  Checksum WholeChecksum(const Object& object, const Context& context) override {
    auto head = Head(object, {}, context);
    if (!head) return {};
    if (auto checksum = HeadChecksum(object, *head)) return checksum;
    return PartsChecksum(object, *head, context);
  }

  bool Renew(const http::ClientResponse& answer) override {
    if (settings_.anonymous ||
        (answer.status != 400 && answer.status != 401 && answer.status != 403)) {
      return false;
    }
    auto xml = ParseXml(answer.body);
    std::string code = xml && xml->name == "Error" ? xml->Text("Code") : "";
    if (code == "RequestTimeTooSkewed") {
      auto skew = ClockSkew(answer.headers.Get("date"));
      if (!skew || skew_.exchange(skew->count()) != 0) return false;
      LogWarning("this machine's clock is wrong; signing with the store's",
                 {{"seconds_ahead", std::chrono::duration<double>(-*skew).count()}});
      return true;
    }
    bool ended = code == "ExpiredToken" || code == "InvalidToken" ||
                 code == "TokenRefreshRequired" || code == "InvalidAccessKeyId" ||
                 answer.status == 401 || code == "RequestExpired";
    return ended && credentials_->Renew();
  }

  Checksum HeadChecksum(const Object& object, const http::ClientResponse& head) const override {
    if (auto checksum = ChecksumFromHeaders(head.headers)) return checksum;
    return ChecksumFromEtag(object.etag, head.headers);
  }

  Error StatusError(const Object& object, const http::ClientResponse& head) const override {
    Code code = head.status == 412 ? Code::kAborted : CodeFromHttpStatus(head.status);
    std::string why =
        head.status == 412 ? "the object changed while it was downloaded" : Explain(head);
    return Error(code, fmt::format("s3://{}/{}: {}", bucket_, object.locator, why));
  }

 private:
  // Nothing when the store refuses.
  std::optional<http::ClientResponse> Head(const Object& object,
                                           std::vector<std::pair<std::string, std::string>> query,
                                           const Context& context) const {
    http::Headers headers;
    headers.Add("x-amz-checksum-mode", "ENABLED");
    auto request = Make("HEAD", object.locator, std::move(query), std::move(headers));
    if (!request) return {};
    request->stop = context.stop;
    request->deadline = context.deadline;
    request->stall_timeout = context.stall_timeout;
    auto response = client_->Do(*request, 0);
    if (!response || (response->status != 200 && response->status != 206)) return {};
    return std::move(*response);
  }

  // The ETag of an object that was uploaded in parts: the MD5 of their MD5s, and their number. The
  // store tells the first part's size; others are most likely as large.
  Checksum PartsChecksum(const Object& object, const http::ClientResponse& head,
                         const Context& context) const {
    std::string_view etag = object.etag;
    size_t dash = etag.rfind('-');
    uint64_t parts = 0, size = 0;
    if (dash == std::string_view::npos || !object.size) return {};
    std::from_chars(etag.data() + dash + 1, etag.data() + etag.size(), parts);
    std::string_view md5 = etag.substr(0, dash);
    Checksum checksum = ChecksumFromEtag(md5.substr(md5.starts_with('"')), head.headers);
    if (!checksum || parts == 0) return {};
    auto first = Head(object, {{"partNumber", "1"}}, context);
    if (!first) return {};
    std::string_view length = first->headers.Get("content-length");
    std::from_chars(length.data(), length.data() + length.size(), size);
    if (size == 0 || (*object.size + size - 1) / size != parts) return {};
    checksum.algorithm = "md5-of-md5";
    checksum.part_size = size;
    checksum.tentative = true;
    return checksum;
  }

  static std::string Explain(const http::ClientResponse& response) {
    auto xml = ParseXml(response.body);
    if (!xml || xml->name != "Error") return DescribeStatus(response);
    return fmt::format("HTTP {} {}: {}", response.status, xml->Text("Code"), xml->Text("Message"));
  }

  Result<XmlElement> Page(const std::string& token, const Context& context) {
    std::vector<std::pair<std::string, std::string>> query = {
        {"list-type", "2"}, {"prefix", prefix_}, {"encoding-type", "url"}};
    if (!token.empty()) query.emplace_back("continuation-token", token);
    for (int attempt = 0;; ++attempt) {
      KINGLET_TRY(http::ClientRequest request, Make("GET", "", query, {}));
      request.stop = context.stop;
      request.deadline = context.deadline;
      request.stall_timeout = context.stall_timeout;
      KINGLET_TRY(auto response, client_->Do(request, size_t{16} << 20));
      if (response.status == 200) {
        auto root = ParseXml(response.body);
        if (!root || root->name != "ListBucketResult") {
          return Fail(Code::kUnavailable, "s3://{}: {} did not answer with a listing", bucket_,
                      settings_.endpoint.Origin());
        }
        return *root;
      }
      // The bucket lies in another region: S3 says which.
      std::string region(response.headers.Get("x-amz-bucket-region"));
      if (attempt == 0 && IsAwsRegion(region) && region != Region()) {
        *region_.Acquire() = region;
        continue;
      }
      if (attempt < 2 && Renew(response)) continue;
      if (response.status == 404) {
        return Fail(Code::kNotFound, "s3://{}: {}", bucket_, Explain(response));
      }
      return Fail(CodeFromHttpStatus(response.status), "s3://{}/{}: {}", bucket_, prefix_,
                  Explain(response));
    }
  }

  std::string Region() const {
    return region_.With([](const std::string& region) { return region; });
  }

  Result<http::ClientRequest> Make(std::string method, std::string_view key,
                                   std::vector<std::pair<std::string, std::string>> query,
                                   http::Headers headers) const {
    std::string region = Region();
    Uri endpoint = settings_.endpoint;
    if (settings_.accelerate) {
      endpoint.host = "s3-accelerate.amazonaws.com";
    } else if (settings_.aws && region != "us-east-1") {
      endpoint.host = fmt::format("s3.{}.amazonaws.com", region);
    }
    std::string base = endpoint.path;
    while (base.ends_with('/')) base.pop_back();
    SigV4Request request{
        .method = method, .query = std::move(query), .headers = std::move(headers)};
    if (settings_.virtual_style || settings_.accelerate) {
      endpoint.host = bucket_ + "." + endpoint.host;
      request.path = base + "/" + UrlEncode(key, "/");
    } else {
      request.path = fmt::format("{}/{}/{}", base, UrlEncode(bucket_), UrlEncode(key, "/"));
      if (key.empty()) request.path.pop_back();
    }
    request.host = endpoint.Authority();
    request.payload_sha256 = kEmptySha256;
    if (!key.empty()) {
      for (auto& [name, value] : settings_.object_fields.fields()) request.headers.Add(name, value);
    }
    if (!settings_.request_payer.empty()) {
      request.headers.Add("x-amz-request-payer", settings_.request_payer);
    }
    if (!settings_.anonymous) {
      KINGLET_TRY(AwsCredentials credentials, credentials_->Get(context_));
      // Without credentials a request can only be anonymous; the store's answer says so if it
      // minds.
      if (!credentials.access_key_id.empty()) {
        SignV4(request, credentials, region, "s3", Clock::System().Wall() + Duration(skew_.load()));
      }
    }
    http::ClientRequest out;
    out.method = std::move(method);
    out.url = fmt::format("{}://{}{}", endpoint.scheme, request.host, request.path);
    std::string text = CanonicalQuery(request.query);
    if (!text.empty()) out.url += "?" + text;
    out.headers = std::move(request.headers);
    out.headers.Set("Accept-Encoding", "identity");
    return out;
  }

  std::string bucket_, prefix_;
  Settings settings_;
  Guarded<std::string> region_;
  std::unique_ptr<AwsCredentialChain> credentials_;
  Context context_;               // List's
  std::atomic<int64_t> skew_{0};  // nanoseconds
  std::unique_ptr<http::Client> client_;
};

// Server-side encryption with a key of the customer's, as other tools name it:
// AWS_SSE_CUSTOMER_KEY_BASE64.
Result<http::Headers> CustomerKey(const Environment& env) {
  http::Headers fields;
  std::string encoded = env.Get("AWS_SSE_CUSTOMER_KEY_BASE64");
  if (encoded.empty()) return fields;
  auto key = Base64Decode(encoded);
  if (!key || key->size() != 32) {
    return Fail(Code::kInvalidArgument,
                "AWS_SSE_CUSTOMER_KEY_BASE64 is not a key of 32 bytes in Base64");
  }
  Digest md5("md5");
  md5.Update(*key);
  fields.Add("x-amz-server-side-encryption-customer-algorithm", "AES256");
  fields.Add("x-amz-server-side-encryption-customer-key", Base64Encode(*key));
  fields.Add("x-amz-server-side-encryption-customer-key-MD5", Base64Encode(md5.Finish()));
  return fields;
}

bool IsAmazon(std::string_view host) {
  return host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
}

Result<Settings> ReadSettings(const Environment& env, std::string_view bucket) {
  Settings s;
  AwsProfile profile = ReadAwsProfile(env, AwsProfileName(env));
  s.region = profile["region"];
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (std::string region = env.Get(name); !region.empty()) s.region = region;
  }
  if (s.region.empty()) s.region = "us-east-1";
  if (!IsAwsRegion(s.region)) {
    return Fail(Code::kInvalidArgument, "not an AWS region: \"{}\"", s.region);
  }
  std::string endpoint = env.Get("AWS_ENDPOINT_URL");
  if (endpoint.empty()) endpoint = env.Get("AWS_ENDPOINT_URL_S3");
  if (endpoint.empty()) endpoint = profile["endpoint_url"];
  if (endpoint.empty()) endpoint = "https://s3.amazonaws.com";
  if (endpoint.find("://") == std::string::npos) {
    endpoint = (env.IsFalse("S3_USE_HTTPS") ? "http://" : "https://") + endpoint;
  }
  auto parsed = Uri::Parse(endpoint);
  if (!parsed || parsed->host.empty()) {
    return Fail(Code::kInvalidArgument, "AWS_ENDPOINT_URL is not a URL: {}", RedactUri(endpoint));
  }
  s.endpoint = *parsed;
  s.aws = s.endpoint.host == "s3.amazonaws.com";
  s.accelerate = env.IsTrue("S3_USE_ACCELERATE");
  s.virtual_style = env.IsTrue("S3_USER_VIRTUAL_BUCKET") || (s.aws && DnsBucket(bucket));
  s.anonymous = env.IsTrue("awsAnonymousCredential");
  s.request_payer = env.Get("AWS_REQUEST_PAYER");
  KINGLET_TRY(s.object_fields, CustomerKey(env));
  return s;
}

Result<http::ClientOptions> ReadClientOptions(const Environment& env) {
  KINGLET_TRY(http::ClientOptions options, PlainWebOptions(env));
  if (env.IsFalse("S3_VERIFY_SSL")) {
    options.insecure_skip_verify = true;
    return options;
  }
  if (std::string bundle = env.Get("AWS_CA_BUNDLE"); !bundle.empty()) {
    options.ca_file = bundle;
    if (!env.Get("CA_BUNDLE_CONFIGMAP_NAME").empty() && !ReadFile(bundle, size_t{16} << 20)) {
      return Fail(Code::kNotFound, "Failed to find ca bundle file({}).", bundle);
    }
    return options;
  }
  return WebOptions(env);
}

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  std::string_view rest = uri.substr(kPrefix.size());
  size_t slash = rest.find('/');
  std::string bucket(rest.substr(0, slash));
  std::string key(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
  while (key.starts_with('/')) key.erase(0, 1);
  // In a host name the bucket could otherwise name another host.
  if (bucket.empty() || bucket.find_first_of("?#@\\%[] ") != std::string::npos) {
    return Fail(Code::kInvalidArgument, "no bucket name in {}", RedactUri(uri));
  }
  KINGLET_TRY(Settings settings, ReadSettings(environment, bucket));
  if ((settings.virtual_style || settings.accelerate) && bucket.find(':') != std::string::npos) {
    return Fail(Code::kInvalidArgument, "the bucket's name cannot be a part of a host name: {}",
                bucket);
  }
  KINGLET_TRY(auto options, ReadClientOptions(environment));
  auto credentials = std::make_unique<AwsCredentialChain>(environment, settings.region,
                                                          IsAmazon(settings.endpoint.host));
  return std::make_unique<S3Source>(std::move(bucket), std::move(key), std::move(settings),
                                    std::move(credentials), http::Client::Make(std::move(options)));
}

}  // namespace

Plugin Plugin_s3() { return {.order = 20, .prefixes = {kPrefix}, .form = "", .open = Open}; }

}  // namespace kinglet::storage
