#include "storage/aws_credentials.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/uri.h"
#include "storage/web.h"
#include "storage/xml.h"

namespace kinglet::storage {

namespace {

constexpr size_t kMaxFile = 1 << 20;
constexpr int kMaxSources = 5;  // profiles that name another as their source
constexpr std::string_view kInstanceService = "http://169.254.169.254";
constexpr std::string_view kInstanceServiceV6 = "http://[fd00:ec2::254]";
constexpr std::string_view kContainerService = "http://169.254.170.2";

std::string Trim(std::string_view text) {
  auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

Result<std::string> ReadSecret(const std::string& path, std::string_view what) {
  auto text = ReadFile(path, kMaxFile);
  if (!text) return Unexpected(text.error().WithContext(what));
  return Trim(*text);
}

std::string SharedFile(const Environment& environment, std::string_view variable,
                       std::string_view name) {
  std::string path = environment.Get(variable);
  if (path.empty()) path = fmt::format("~/.aws/{}", name);
  if (path.starts_with("~/")) path = environment.Get("HOME") + path.substr(1);
  auto text = ReadFile(path, kMaxFile);
  return text ? *text : "";
}

// {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} of the metadata services.
Result<Expiring<AwsCredentials>> FromJson(const Json& json, std::string_view what) {
  Expiring<AwsCredentials> found;
  found.value = {json["AccessKeyId"].AsString(), json["SecretAccessKey"].AsString(),
                 json["Token"].AsString()};
  if (found.value.access_key_id.empty() || found.value.secret_access_key.empty()) {
    return Fail(Code::kUnauthenticated, "{}: the answer has no credentials", what);
  }
  if (auto time = ParseRfc3339(json["Expiration"].AsString())) found.expires = *time;
  return found;
}

// As Amazon's own clients: the token goes over TLS, or to this machine or the node's own services.
Status CheckContainerService(const std::string& url) {
  KINGLET_TRY(const Uri uri, Uri::Parse(url));
  if (uri.scheme == "https") return {};
  for (std::string_view host :
       {"localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"}) {
    if (uri.host == host) return {};
  }
  if (uri.host.starts_with("127.") &&
      uri.host.find_first_not_of("0123456789.") == std::string::npos) {
    return {};
  }
  return Fail(
      Code::kInvalidArgument,
      "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to {}: only https, or http to this machine, "
      "169.254.170.2 and 169.254.170.23, is asked for credentials",
      uri.Origin());
}

}  // namespace

std::map<std::string, AwsProfile, std::less<>> ParseAwsFile(std::string_view text) {
  std::map<std::string, AwsProfile, std::less<>> sections;
  AwsProfile* section = nullptr;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    bool nested = line.starts_with(' ') || line.starts_with('\t');
    std::string clean = Trim(line);
    if (clean.empty() || clean[0] == '#' || clean[0] == ';' || nested) continue;
    if (clean[0] == '[') {
      std::string name = Trim(std::string_view(clean).substr(1, clean.find(']') - 1));
      if (name.starts_with("profile ")) name = Trim(std::string_view(name).substr(8));
      section = &sections[name];
      continue;
    }
    size_t equals = clean.find('=');
    if (!section || equals == std::string::npos) continue;
    std::string_view whole = clean;
    section->insert_or_assign(AsciiLower(Trim(whole.substr(0, equals))),
                              Trim(whole.substr(equals + 1)));
  }
  return sections;
}

bool IsAwsRegion(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

AwsProfile ReadAwsProfile(const Environment& environment, std::string_view name) {
  AwsProfile profile;
  for (auto [variable, file] : {std::pair{"AWS_CONFIG_FILE", "config"},
                                std::pair{"AWS_SHARED_CREDENTIALS_FILE", "credentials"}}) {
    auto sections = ParseAwsFile(SharedFile(environment, variable, file));
    auto it = sections.find(name);
    if (it == sections.end()) continue;
    for (auto& [key, value] : it->second) profile.insert_or_assign(key, value);
  }
  return profile;
}

std::string AwsProfileName(const Environment& environment) {
  for (const char* name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (std::string value = environment.Get(name); !value.empty()) return value;
  }
  return "default";
}

AwsCredentialChain::AwsCredentialChain(Environment environment, std::string region, bool metadata)
    : environment_(std::move(environment)),
      region_(std::move(region)),
      metadata_(metadata),
      current_([this](const Context& context) { return Find(context); }) {}

AwsCredentialChain::Found AwsCredentialChain::Find(const Context& context) {
  const Environment& env = environment_;
  AwsCredentials given = {env.Get("AWS_ACCESS_KEY_ID"), env.Get("AWS_SECRET_ACCESS_KEY"),
                          env.Get("AWS_SESSION_TOKEN")};
  if (!given.access_key_id.empty() && !given.secret_access_key.empty()) {
    return Expiring<AwsCredentials>{given, {}};
  }
  std::string role = env.Get("AWS_ROLE_ARN"), token = env.Get("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (!role.empty() && !token.empty()) {
    return WebIdentity(role, token, env.Get("AWS_ROLE_SESSION_NAME"), context);
  }
  KINGLET_TRY(auto from_profile, FromProfile(AwsProfileName(env), context, 0));
  if (!from_profile.value.access_key_id.empty()) return from_profile;
  if (env.Has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
      env.Has("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    return Container(context);
  }
  if (!env.IsTrue("AWS_EC2_METADATA_DISABLED") &&
      (metadata_ || env.Has("AWS_EC2_METADATA_SERVICE_ENDPOINT"))) {
    return Instance(context);
  }
  return Expiring<AwsCredentials>{};
}

AwsCredentialChain::Found AwsCredentialChain::FromProfile(std::string_view name,
                                                          const Context& context, int depth) {
  AwsProfile profile = ReadAwsProfile(environment_, name);
  if (depth > kMaxSources) {
    return Fail(Code::kInvalidArgument, "AWS profiles name each other as their source: {}", name);
  }
  if (!profile["role_arn"].empty()) {
    if (!profile["web_identity_token_file"].empty()) {
      return WebIdentity(profile["role_arn"], profile["web_identity_token_file"],
                         profile["role_session_name"], context);
    }
    Expiring<AwsCredentials> source;
    const std::string &from = profile["source_profile"], &kind = profile["credential_source"];
    if (from == name) {
      source.value = {profile["aws_access_key_id"], profile["aws_secret_access_key"],
                      profile["aws_session_token"]};
    } else if (!from.empty()) {
      KINGLET_TRY(source, FromProfile(from, context, depth + 1));
    } else if (kind == "Ec2InstanceMetadata") {
      KINGLET_TRY(source, Instance(context));
    } else if (kind == "EcsContainer") {
      KINGLET_TRY(source, Container(context));
    }
    if (source.value.access_key_id.empty()) {
      return Fail(Code::kUnauthenticated,
                  "the AWS profile {} assumes the role {}, but its source has no credentials", name,
                  profile["role_arn"]);
    }
    return AssumeRole(profile, source.value, context);
  }
  if (profile["aws_access_key_id"].empty() && !profile["credential_process"].empty()) {
    return Fail(Code::kUnimplemented,
                "the AWS profile {} has a credential_process: programs are not started for "
                "credentials; give keys, a role or a token file",
                name);
  }
  return Expiring<AwsCredentials>{{profile["aws_access_key_id"], profile["aws_secret_access_key"],
                                   profile["aws_session_token"]},
                                  {}};
}

AwsCredentialChain::Found AwsCredentialChain::WebIdentity(const std::string& role,
                                                          const std::string& token_file,
                                                          const std::string& session,
                                                          const Context& context) {
  // Read anew each time: the kubelet replaces the token long before it ends.
  KINGLET_TRY(std::string token, ReadSecret(token_file, "AWS_WEB_IDENTITY_TOKEN_FILE"));
  return Sts({{"Action", "AssumeRoleWithWebIdentity"},
              {"Version", "2011-06-15"},
              {"RoleArn", role},
              {"RoleSessionName", session.empty() ? "kinglet" : session},
              {"WebIdentityToken", token}},
             nullptr, context);
}

AwsCredentialChain::Found AwsCredentialChain::AssumeRole(const AwsProfile& profile,
                                                         const AwsCredentials& with,
                                                         const Context& context) {
  auto value = [&](std::string_view key) {
    auto it = profile.find(key);
    return it == profile.end() ? "" : it->second;
  };
  std::string session = value("role_session_name");
  std::vector<std::pair<std::string, std::string>> fields = {
      {"Action", "AssumeRole"},
      {"Version", "2011-06-15"},
      {"RoleArn", value("role_arn")},
      {"RoleSessionName", session.empty() ? "kinglet" : session}};
  if (!value("external_id").empty()) fields.emplace_back("ExternalId", value("external_id"));
  if (!value("duration_seconds").empty()) {
    fields.emplace_back("DurationSeconds", value("duration_seconds"));
  }
  return Sts(std::move(fields), &with, context);
}

AwsCredentialChain::Found AwsCredentialChain::Sts(
    std::vector<std::pair<std::string, std::string>> fields, const AwsCredentials* signer,
    const Context& context) {
  std::string endpoint = environment_.Get("AWS_ENDPOINT_URL_STS");
  bool global = environment_.Get("AWS_STS_REGIONAL_ENDPOINTS") == "legacy" || region_.empty();
  std::string_view suffix = region_.starts_with("cn-") ? ".cn" : "";
  if (endpoint.empty() && global) endpoint = "https://sts.amazonaws.com";
  if (endpoint.empty()) endpoint = fmt::format("https://sts.{}.amazonaws.com{}", region_, suffix);
  auto parsed = Uri::Parse(endpoint);
  if (!parsed) return Unexpected(parsed.error().WithContext("AWS_ENDPOINT_URL_STS"));
  http::ClientRequest request;
  request.method = "POST";
  request.url = fmt::format("{}://{}{}", parsed->scheme, parsed->Authority(), parsed->Target());
  request.body = FormEncode(fields);
  request.headers.Add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  request.headers.Add("Accept", "application/xml");
  if (signer) {
    SigV4Request signing{.method = "POST",
                         .host = parsed->Authority(),
                         .path = parsed->Target(),
                         .headers = request.headers,
                         .payload_sha256 = HexEncode(Sha256(request.body))};
    SignV4(signing, *signer, global ? "us-east-1" : region_, "sts", Clock::System().Wall());
    request.headers = std::move(signing.headers);
  }
  KINGLET_TRY(auto options, WebOptions(environment_));
  auto client = http::Client::Make(std::move(options));
  std::string what = fmt::format("{} at {}", fields[0].second, parsed->Origin());
  KINGLET_TRY(auto response, Call(*client, std::move(request), context, what));
  auto xml = ParseXml(response.body);
  if (!xml) return Unexpected(xml.error().WithContext(what));
  const XmlElement& found = xml->Child(fields[0].second + "Result").Child("Credentials");
  Expiring<AwsCredentials> result;
  result.value = {found.Text("AccessKeyId"), found.Text("SecretAccessKey"),
                  found.Text("SessionToken")};
  if (result.value.access_key_id.empty()) {
    return Fail(Code::kUnauthenticated, "{}: the answer has no credentials", what);
  }
  if (auto time = ParseRfc3339(found.Text("Expiration"))) result.expires = *time;
  return result;
}

AwsCredentialChain::Found AwsCredentialChain::Container(const Context& context) {
  std::string relative = environment_.Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  http::ClientRequest request;
  if (!relative.empty() && !relative.starts_with('/')) {
    return Fail(Code::kInvalidArgument,
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash");
  }
  request.url = relative.empty() ? environment_.Get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                 : std::string(kContainerService) + relative;
  KINGLET_RETURN_IF_ERROR(CheckContainerService(request.url));
  std::string token = environment_.Get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (std::string file = environment_.Get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
      !file.empty()) {
    KINGLET_TRY(token, ReadSecret(file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
  }
  if (!token.empty()) request.headers.Add("Authorization", token);
  auto client = LinkLocalClient(std::chrono::seconds(2));
  constexpr std::string_view kWhat = "the container's credentials";
  KINGLET_TRY(Json json, CallJson(*client, std::move(request), context, kWhat));
  return FromJson(json, kWhat);
}

AwsCredentialChain::Found AwsCredentialChain::Instance(const Context& context) {
  std::string base = environment_.Get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  bool named = !base.empty();
  if (!named) {
    bool v6 = AsciiLower(environment_.Get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")) == "ipv6";
    base = v6 ? kInstanceServiceV6 : kInstanceService;
  }
  while (base.ends_with('/')) base.pop_back();
  auto client = LinkLocalClient();
  // The first to be asked may not be there, and then there is no answer either.
  auto ask = [&](http::ClientRequest request) {
    request.stop = context.stop;
    request.deadline = context.deadline.Min(Deadline::After(std::chrono::seconds(2)));
    return client->Do(request, kMaxFile);
  };
  auto nobody = [&]() -> Found {
    if (!named) return Expiring<AwsCredentials>{};
    return Fail(Code::kUnauthenticated, "the instance's metadata service at {} does not answer",
                base);
  };
  http::ClientRequest put{.method = "PUT", .url = base + "/latest/api/token"};
  put.headers.Add("X-aws-ec2-metadata-token-ttl-seconds", "21600");
  auto token = ask(std::move(put));
  if (token && token->status == 400) {
    return Fail(Code::kUnauthenticated, "the instance's metadata service at {}: {}", base,
                DescribeStatus(*token));
  }
  constexpr std::string_view kWhat = "the instance's metadata service";
  http::ClientRequest get{.url = base + "/latest/meta-data/iam/security-credentials/"};
  Result<http::ClientResponse> roles;
  if (token && token->status == 200) {
    get.headers.Add("X-aws-ec2-metadata-token", token->body);
    roles = Call(*client, get, context, kWhat);
    if (!roles && roles.error().code() == Code::kNotFound) return Expiring<AwsCredentials>{};
    if (!roles) return Unexpected(roles.error());
  } else {
    // Version 1 takes no token. It is also what is left where the answer with the token cannot
    // come: by default an instance lets that travel one hop only, which is not enough to reach a
    // pod.
    const bool anybody = token || token.error().code() == Code::kDeadlineExceeded;
    if (!anybody || environment_.IsTrue("AWS_EC2_METADATA_V1_DISABLED")) return nobody();
    roles = ask(get);
    if (!roles || roles->status != 200) return nobody();
  }
  std::string role = Trim(std::string_view(roles->body).substr(0, roles->body.find('\n')));
  get.url += UrlEncode(role);
  KINGLET_TRY(auto answer, Call(*client, get, context, kWhat));
  auto json = Json::Parse(answer.body);
  if (!json) return Unexpected(json.error().WithContext(kWhat));
  return FromJson(*json, fmt::format("the instance's role {}", role));
}

}  // namespace kinglet::storage
