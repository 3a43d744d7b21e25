#include "storage/google_credentials.h"

#include "base/file.h"
#include "base/log.h"
#include "storage/jwt.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr size_t kMaxFile = 1 << 20;
constexpr int kMaxSources = 3;
constexpr std::string_view kScope = "https://www.googleapis.com/auth/devstorage.read_only";
// Exchanged and impersonated tokens need it to be exchanged further.
constexpr std::string_view kPlatformScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr std::string_view kTokenUri = "https://oauth2.googleapis.com/token";

std::optional<WallTime> InSeconds(const Json& seconds) {
  int64_t count = seconds.IsString() ? atoll(seconds.AsString().c_str()) : seconds.AsInt();
  if (count <= 0) return {};
  return std::chrono::system_clock::now() + std::chrono::seconds(count);
}

}  // namespace

GoogleCredentials::GoogleCredentials(Environment environment)
    : environment_(std::move(environment)),
      current_([this](const Context& context) { return Find(context); }) {}

GoogleCredentials::Found GoogleCredentials::Find(const Context& context) {
  std::string path = environment_.Get("GOOGLE_APPLICATION_CREDENTIALS");
  bool named = !path.empty();
  if (!named) {
    std::string folder = environment_.Get("CLOUDSDK_CONFIG");
    if (folder.empty()) folder = environment_.Get("HOME") + "/.config/gcloud";
    path = folder + "/application_default_credentials.json";
  }
  auto text = ReadFile(path, kMaxFile);
  if (!text && named) {
    return Unexpected(text.error().WithContext("GOOGLE_APPLICATION_CREDENTIALS"));
  }
  if (!text) return Metadata(context);
  auto json = Json::Parse(*text, {.max_bytes = kMaxFile, .max_depth = 16});
  if (!json) return Unexpected(json.error().WithContext(path));
  auto found = FromFile(*json, context, 0);
  if (!found) return Unexpected(found.error().WithContext(path));
  return found;
}

GoogleCredentials::Found GoogleCredentials::FromFile(const Json& file, const Context& context,
                                                     int depth) {
  const std::string& type = file["type"].AsString();
  if (type == "service_account") return ServiceAccount(file, context);
  if (type == "authorized_user") return AuthorizedUser(file, context);
  if (type == "external_account") return ExternalAccount(file, context);
  if (type == "impersonated_service_account" && depth < kMaxSources) {
    KINGLET_TRY(auto source, FromFile(file["source_credentials"], context, depth + 1));
    return Impersonate(file["service_account_impersonation_url"].AsString(), source.value, context);
  }
  return Fail(Code::kInvalidArgument,
              "credentials of the type \"{}\": known are service_account, authorized_user, "
              "external_account and impersonated_service_account",
              type);
}

GoogleCredentials::Found GoogleCredentials::Exchange(
    const std::string& url, const std::vector<std::pair<std::string, std::string>>& form,
    const Context& context, std::string_view what) {
  http::ClientRequest request;
  request.method = "POST";
  request.url = url;
  request.headers.Add("Content-Type", "application/x-www-form-urlencoded");
  request.body = FormEncode(form);
  KINGLET_TRY(auto options, WebOptions(environment_));
  auto client = http::Client::Make(std::move(options));
  KINGLET_TRY(Json json, CallJson(*client, std::move(request), context, what));
  Expiring<std::string> found{json["access_token"].AsString(), InSeconds(json["expires_in"])};
  if (found.value.empty()) {
    return Fail(Code::kUnauthenticated, "{}: {} answered without an access token", what, url);
  }
  return found;
}

// https://developers.google.com/identity/protocols/oauth2/service-account#httprest
GoogleCredentials::Found GoogleCredentials::ServiceAccount(const Json& file,
                                                           const Context& context) {
  std::string uri = file["token_uri"].StringOr(kTokenUri);
  auto now = std::chrono::duration_cast<std::chrono::seconds>(
                 std::chrono::system_clock::now().time_since_epoch())
                 .count();
  Json header = Json::MakeObject();
  if (file["private_key_id"].IsString()) header.Set("kid", file["private_key_id"]);
  Json claims = Json::MakeObject({{"iss", file["client_email"]},
                                  {"scope", kScope},
                                  {"aud", uri},
                                  {"iat", now},
                                  {"exp", now + 3600}});
  KINGLET_TRY(std::string assertion,
              SignJwt(std::move(header), claims, file["private_key"].AsString()));
  return Exchange(uri,
                  {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
                   {"assertion", std::move(assertion)}},
                  context, "the service account's token");
}

GoogleCredentials::Found GoogleCredentials::AuthorizedUser(const Json& file,
                                                           const Context& context) {
  return Exchange(file["token_uri"].StringOr(kTokenUri),
                  {{"grant_type", "refresh_token"},
                   {"client_id", file["client_id"].AsString()},
                   {"client_secret", file["client_secret"].AsString()},
                   {"refresh_token", file["refresh_token"].AsString()}},
                  context, "the user's token");
}

// Workload identity federation: https://google.aip.dev/auth/4117
GoogleCredentials::Found GoogleCredentials::ExternalAccount(const Json& file,
                                                            const Context& context) {
  KINGLET_TRY(std::string subject, SubjectToken(file["credential_source"], context));
  const std::string& impersonation = file["service_account_impersonation_url"].AsString();
  KINGLET_TRY(auto found,
              Exchange(file["token_url"].StringOr("https://sts.googleapis.com/v1/token"),
                       {{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
                        {"audience", file["audience"].AsString()},
                        {"scope", std::string(impersonation.empty() ? kScope : kPlatformScope)},
                        {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
                        {"subject_token_type", file["subject_token_type"].StringOr(
                                                   "urn:ietf:params:oauth:token-type:jwt")},
                        {"subject_token", std::move(subject)}},
                       context, "the external account's token"));
  if (impersonation.empty()) return found;
  return Impersonate(impersonation, found.value, context);
}

Result<std::string> GoogleCredentials::SubjectToken(const Json& source, const Context& context) {
  std::string text;
  if (source["file"].IsString()) {
    KINGLET_TRY(text, ReadFile(source["file"].AsString(), kMaxFile));
  } else if (source["url"].IsString()) {
    http::ClientRequest request;
    request.url = source["url"].AsString();
    for (auto& [name, value] : source["headers"].AsObject()) {
      request.headers.Add(name, value.AsString());
    }
    auto client = LinkLocalClient(std::chrono::seconds(5));
    KINGLET_TRY(auto response, Call(*client, std::move(request), context, "credential_source"));
    text = std::move(response.body);
  } else {
    return Fail(Code::kUnimplemented,
                "the external account's credential_source has neither a file nor a url: other "
                "sources (AWS, programs) are not supported");
  }
  if (source["format"]["type"].AsString() == "json") {
    auto json = Json::Parse(text);
    if (!json) return Unexpected(json.error().WithContext("the subject token"));
    text =
        (*json)[source["format"]["subject_token_field_name"].StringOr("access_token")].AsString();
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty()) return Fail(Code::kUnauthenticated, "the subject token is empty");
  return text;
}

// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
GoogleCredentials::Found GoogleCredentials::Impersonate(const std::string& url,
                                                        const std::string& token,
                                                        const Context& context) {
  http::ClientRequest request;
  request.method = "POST";
  request.url = url;
  request.headers.Add("Content-Type", "application/json");
  request.headers.Add("Authorization", "Bearer " + token);
  request.body = Json::MakeObject({{"scope", Json::MakeArray({kScope})}}).Dump();
  KINGLET_TRY(auto options, WebOptions(environment_));
  auto client = http::Client::Make(std::move(options));
  KINGLET_TRY(Json json,
              CallJson(*client, std::move(request), context, "the impersonated account's token"));
  Expiring<std::string> found{json["accessToken"].AsString(), {}};
  if (auto time = ParseRfc3339(json["expireTime"].AsString())) found.expires = *time;
  if (found.value.empty()) {
    return Fail(Code::kUnauthenticated, "{} answered without an access token", url);
  }
  return found;
}

// https://cloud.google.com/compute/docs/metadata/overview
GoogleCredentials::Found GoogleCredentials::Metadata(const Context& context) {
  std::string host = environment_.Get("GCE_METADATA_HOST");
  if (host.empty()) host = environment_.Get("GCE_METADATA_ROOT");
  bool named = !host.empty();
  if (!named && environment_.IsTrue("NO_GCE_CHECK")) return Expiring<std::string>{};
  if (!named) host = "169.254.169.254";
  http::ClientRequest request;
  request.url =
      fmt::format("http://{}/computeMetadata/v1/instance/service-accounts/default/token?{}", host,
                  FormEncode({{"scopes", std::string(kScope)}}));
  request.headers.Add("Metadata-Flavor", "Google");
  request.stop = context.stop;
  request.deadline = context.deadline.Min(Deadline::After(std::chrono::seconds(3)));
  auto client = LinkLocalClient();
  auto response = client->Do(request, kMaxFile);
  if (!response || response->status != 200) {
    // Not on Google's machines, or a machine without an account.
    if (!named) return Expiring<std::string>{};
    return Fail(Code::kUnauthenticated, "the metadata server at {}: {}", host,
                response ? DescribeStatus(*response) : response.error().message());
  }
  auto json = Json::Parse(response->body);
  if (!json) return Unexpected(json.error().WithContext("the metadata server"));
  return Expiring<std::string>{(*json)["access_token"].AsString(),
                               InSeconds((*json)["expires_in"])};
}

}  // namespace kinglet::storage
