#include "storage/oci_registry.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/uri.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kHub = "registry-1.docker.io";
constexpr size_t kMaxManifest = size_t{4} << 20;
constexpr std::string_view kAccept =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

std::string ConfigPath(const Environment& environment) {
  std::string path = environment.Get("KSERVE_OCI_DOCKER_CONFIG");
  if (!path.empty()) return path;
  std::string folder = environment.Get("DOCKER_CONFIG");
  if (folder.empty()) folder = environment.Get("HOME") + "/.docker";
  return folder + "/config.json";
}

}  // namespace

Result<ImageReference> ParseImage(std::string_view text) {
  ImageReference image;
  size_t slash = text.find('/');
  std::string_view first = text.substr(0, slash);
  bool host = slash != std::string_view::npos &&
              (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
  image.registry = host ? first : kHub;
  std::string_view rest = host ? text.substr(slash + 1) : text;
  if (image.registry == "docker.io" || image.registry == "index.docker.io") image.registry = kHub;
  if (size_t at = rest.find('@'); at != std::string_view::npos) {
    image.reference = rest.substr(at + 1);
    rest = rest.substr(0, at);
    // One that is not compared would look like a promise.
    if (!image.reference.starts_with("sha256:")) {
      return Fail(Code::kInvalidArgument, "{}: after the @ want a digest, sha256:...",
                  RedactUri(text));
    }
  }
  size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    if (image.reference.empty()) image.reference = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  if (image.reference.empty()) image.reference = "latest";
  image.repository = rest;
  if (image.registry == kHub && rest.find('/') == std::string_view::npos) {
    image.repository = fmt::format("library/{}", rest);
  }
  // What becomes a part of a URL must not be able to name another.
  for (char c : fmt::format("{}{}{}", image.registry, image.repository, image.reference)) {
    bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '.' || c == '-' || c == '_' || c == '/' || c == ':';
    if (!good) return Fail(Code::kInvalidArgument, "not an image's name: {}", RedactUri(text));
  }
  bool climbs = fmt::format("/{}/", image.repository).find("/../") != std::string::npos ||
                image.reference.find('/') != std::string::npos || image.reference.starts_with('.');
  if (rest.empty() || rest.starts_with('/') || rest.ends_with('/') || climbs) {
    return Fail(Code::kInvalidArgument, "not an image's name: {}", RedactUri(text));
  }
  return image;
}

Challenge ParseChallenge(std::string_view field) {
  Challenge challenge;
  size_t space = field.find(' ');
  challenge.scheme = AsciiLower(field.substr(0, space));
  std::string_view rest = space == std::string_view::npos ? "" : field.substr(space + 1);
  while (!rest.empty()) {
    size_t equals = rest.find('=');
    if (equals == std::string_view::npos) break;
    std::string name = AsciiLower(rest.substr(0, equals));
    name.erase(0, name.find_first_not_of(" ,"));
    rest.remove_prefix(equals + 1);
    bool quoted = rest.starts_with('"');
    if (quoted) rest.remove_prefix(1);
    size_t end = rest.find(quoted ? '"' : ',');
    std::string value(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (name == "realm") challenge.realm = value;
    if (name == "service") challenge.service = value;
    if (name == "scope") challenge.scope = value;
  }
  return challenge;
}

OciRegistry::OciRegistry(ImageReference image, const Environment& environment,
                         std::unique_ptr<http::Client> client)
    : image_(std::move(image)), client_(std::move(client)) {
  bool insecure = environment.IsTrue("KSERVE_OCI_INSECURE_REGISTRY");
  origin_ = fmt::format("{}://{}", insecure ? "http" : "https", image_.registry);
  base_ = fmt::format("{}/v2/{}", origin_, image_.repository);
  auto text = ReadFile(ConfigPath(environment), 1 << 20);
  auto config = text ? Json::Parse(*text) : Result<Json>(Json());
  if (!config) return;
  std::vector<std::string> names = {image_.registry, "https://" + image_.registry,
                                    "http://" + image_.registry};
  if (image_.registry == kHub) names.emplace_back("https://index.docker.io/v1/");
  for (const std::string& name : names) {
    const Json& entry = (*config)["auths"][name];
    if (!entry.IsObject() || !user_.empty()) continue;
    user_ = entry["username"].AsString();
    password_ = entry["password"].AsString();
    auto pair = Base64Decode(entry["auth"].AsString());
    size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon != std::string::npos) {
      user_ = pair->substr(0, colon);
      password_ = pair->substr(colon + 1);
    }
  }
}

http::ClientRequest OciRegistry::Request(std::string_view path, const Context& context) {
  http::ClientRequest request;
  request.url = fmt::format("{}{}", base_, path);
  std::string value = *authorization_.Acquire();
  if (!value.empty()) request.headers.Add("Authorization", value);
  request.stop = context.stop;
  request.deadline = context.deadline;
  request.stall_timeout = context.stall_timeout;
  return request;
}

Result<Json> OciRegistry::Manifest(const std::string& reference, const Context& context) {
  for (int attempt = 0;; ++attempt) {
    auto request = Request("/manifests/" + reference, context);
    request.headers.Add("Accept", kAccept);
    KINGLET_TRY(auto response, client_->Do(request, kMaxManifest));
    if (response.status == 401 && attempt == 0 && Authorise(response, context)) continue;
    std::string name = fmt::format("{}/{}:{}", image_.registry, image_.repository, reference);
    if (response.status != 200) {
      return Fail(CodeFromHttpStatus(response.status), "{}: {}", name, DescribeStatus(response));
    }
    if (reference.starts_with("sha256:") &&
        reference.substr(7) != HexEncode(Sha256(response.body))) {
      return Fail(Code::kDataLoss, "{}: the manifest does not have this digest", name);
    }
    auto json = Json::Parse(response.body, {.max_bytes = kMaxManifest, .max_depth = 32});
    if (!json) return Unexpected(json.error().WithContext(name));
    return json;
  }
}

Result<http::ClientRequest> OciRegistry::Blob(std::string_view digest, const Context& context) {
  auto request = Request(fmt::format("/blobs/{}", digest), context);
  request.headers.Add("Accept-Encoding", "identity");
  return request;
}

bool OciRegistry::Authorise(const http::ClientResponse& answer, const Context& context) {
  if (answer.status != 401) return false;
  auto asked = Uri::Parse(origin_), answered = Uri::Parse(answer.final_url);
  if (!asked || !answered || asked->Origin() != answered->Origin()) return false;
  Challenge challenge = ParseChallenge(answer.headers.Get("www-authenticate"));
  std::string value;
  if (challenge.scheme == "basic" && !user_.empty()) {
    value = "Basic " + Base64Encode(user_ + ":" + password_);
  } else if (challenge.scheme == "bearer") {
    auto token = FetchToken(challenge, context);
    if (token) {
      value = "Bearer " + *token;
    } else {
      LogWarning("no token for the registry",
                 {{"registry", image_.registry}, {"why", token.error().message()}});
    }
  }
  auto current = authorization_.Acquire();
  // The same Basic credentials would be refused again.
  bool other = !value.empty() && value != *current;
  if (other) *current = value;
  return other;
}

Result<std::string> OciRegistry::FetchToken(const Challenge& challenge, const Context& context) {
  std::vector<std::pair<std::string, std::string>> query;
  if (!challenge.service.empty()) query.emplace_back("service", challenge.service);
  // Never the scope that the challenge names: the token goes to the registry, and pulls.
  query.emplace_back("scope", fmt::format("repository:{}:pull", image_.repository));
  KINGLET_TRY(const Uri realm, Uri::Parse(challenge.realm));
  if (realm.scheme != "https" && !(realm.scheme == "http" && origin_.starts_with("http://"))) {
    return Fail(Code::kPermissionDenied,
                "the registry's realm {} is not asked for a token: it is not https",
                realm.Origin());
  }
  if (!realm.userinfo.empty()) {
    return Fail(Code::kPermissionDenied, "the registry's realm at {} names a user", realm.Origin());
  }
  http::ClientRequest request;
  request.url = challenge.realm + (challenge.realm.find('?') == std::string::npos ? "?" : "&") +
                FormEncode(query);
  if (!user_.empty()) {
    request.headers.Add("Authorization", "Basic " + Base64Encode(user_ + ":" + password_));
  }
  KINGLET_TRY(Json json, CallJson(*client_, std::move(request), context, "the registry's token"));
  return json["token"].IsString() ? json["token"].AsString() : json["access_token"].AsString();
}

}  // namespace kinglet::storage
