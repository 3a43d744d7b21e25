#include "storage/azure.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kVersion = "2021-12-02";
constexpr std::string_view kResource = "https://storage.azure.com/";
constexpr size_t kMaxListing = size_t{64} << 20;

// "AccountName=a;BlobEndpoint=http://..." as a table.
std::map<std::string, std::string> ParseConnectionString(std::string_view text) {
  std::map<std::string, std::string> parts;
  while (!text.empty()) {
    size_t semicolon = text.find(';');
    std::string_view part = text.substr(0, semicolon);
    text.remove_prefix(semicolon == std::string_view::npos ? text.size() : semicolon + 1);
    size_t equals = part.find('=');
    if (equals != std::string_view::npos)
      parts.emplace(part.substr(0, equals), part.substr(equals + 1));
  }
  return parts;
}

std::string HttpDate(WallTime now) {
  time_t seconds = std::chrono::system_clock::to_time_t(now);
  tm parts;
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
}

// AZURE_x, or AZ_x as KServe's secrets name it.
std::string Setting(const Environment& environment, std::string_view name) {
  std::string old = environment.Get(fmt::format("AZ_{}", name));
  return old.empty() ? environment.Get(fmt::format("AZURE_{}", name)) : old;
}

}  // namespace

bool IsAzureUri(std::string_view uri, std::string_view service) {
  if (!uri.starts_with("https://")) return false;
  std::string_view rest = uri.substr(8);
  size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash + 1 >= rest.size()) return false;
  std::string_view host = rest.substr(0, slash);
  size_t dot = host.find('.');
  if (dot == 0 || dot == std::string_view::npos) return false;
  std::string_view domain = host.substr(dot + 1);
  if (domain == fmt::format("{}.core.windows.net", service)) return true;
  // A DNS zone endpoint: z01.blob.storage.azure.net.
  size_t zone = domain.find('.');
  if (zone == std::string_view::npos || zone < 2 || zone > 3 || domain[0] != 'z') return false;
  bool digits = std::all_of(domain.begin() + 1, domain.begin() + static_cast<ptrdiff_t>(zone),
                            [](char c) { return c >= '0' && c <= '9'; });
  return digits && domain.substr(zone + 1) == fmt::format("{}.storage.azure.net", service);
}

Result<AzureAddress> ParseAzureUri(std::string_view uri, std::string_view service,
                                   const Environment& environment) {
  KINGLET_TRY(Uri parsed, Uri::Parse(uri));
  AzureAddress address;
  address.account = parsed.host.substr(0, parsed.host.find('.'));
  address.sas = parsed.query;
  KINGLET_TRY(std::string path, UrlDecode(parsed.path));
  path.erase(0, path.find_first_not_of('/'));
  while (path.ends_with('/')) path.pop_back();
  size_t slash = path.find('/');
  address.container = path.substr(0, slash);
  if (slash != std::string::npos) address.path = path.substr(path.find_first_not_of('/', slash));
  if (address.container.empty()) {
    return Fail(Code::kInvalidArgument, "no container or share name in {}", RedactUri(uri));
  }
  address.endpoint.scheme = parsed.scheme;
  address.endpoint.host = parsed.host;
  address.endpoint.port = parsed.port;
  auto named = ParseConnectionString(environment.Get("AZURE_STORAGE_CONNECTION_STRING"));
  const std::string& endpoint = named[service == "blob" ? "BlobEndpoint" : "FileEndpoint"];
  if (!endpoint.empty()) {
    auto other = Uri::Parse(endpoint);
    if (!other) return Unexpected(other.error().WithContext("AZURE_STORAGE_CONNECTION_STRING"));
    address.endpoint = *other;
    while (address.endpoint.path.ends_with('/')) address.endpoint.path.pop_back();
    if (!named["AccountName"].empty()) address.account = named["AccountName"];
  }
  return address;
}

// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
std::string AzureSharedKey(std::string_view method, std::string_view account, std::string_view key,
                           std::string_view path,
                           const std::vector<std::pair<std::string, std::string>>& query,
                           const http::Headers& headers) {
  std::string text(method);
  for (const char* name :
       {"content-encoding", "content-language", "content-length", "content-md5", "content-type",
        "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"}) {
    text += '\n';
    text += headers.Get(name);
  }
  text += '\n';
  std::map<std::string, std::string> own;
  for (auto& [name, value] : headers.fields()) {
    std::string lower = AsciiLower(name);
    if (lower.starts_with("x-ms-")) own[lower] = value;
  }
  for (auto& [name, value] : own) text += name + ":" + value + "\n";
  text += fmt::format("/{}{}", account, path);
  std::map<std::string, std::string> sorted;
  for (auto& [name, value] : query) sorted[AsciiLower(name)] = value;
  for (auto& [name, value] : sorted) text += "\n" + name + ":" + value;
  return fmt::format("SharedKey {}:{}", account, Base64Encode(HmacSha256(key, text)));
}

AzureAccount::AzureAccount(AzureAddress address, const Environment& environment,
                           std::unique_ptr<http::Client> client)
    : address_(std::move(address)),
      environment_(environment),
      client_(std::move(client)),
      token_([this](const Context& context) { return Token(context); }) {
  auto named = ParseConnectionString(environment.Get("AZURE_STORAGE_CONNECTION_STRING"));
  for (const std::string& sas :
       {named["SharedAccessSignature"], environment.Get("AZURE_STORAGE_SAS_TOKEN")}) {
    if (address_.sas.empty()) address_.sas = sas;
  }
  if (address_.sas.starts_with('?')) address_.sas.erase(0, 1);
  std::string key = environment.Get("AZURE_STORAGE_ACCESS_KEY");
  if (key.empty()) key = environment.Get("AZURE_STORAGE_KEY");
  if (key.empty()) key = named["AccountKey"];
  key_ = Base64Decode(key).value_or("");
  bool identity =
      !Setting(environment, "CLIENT_ID").empty() || environment.Has("IDENTITY_ENDPOINT");
  if (!address_.sas.empty()) {
    mode_ = Mode::kSas;
  } else if (identity) {
    mode_ = Mode::kToken;
  } else if (!key_.empty()) {
    mode_ = Mode::kKey;
  } else {
    LogWarning(
        "Azure credentials or shared access signature token not found, trying anonymous access",
        {{"account", address_.account}});
  }
}

Result<http::ClientRequest> AzureAccount::Request(
    std::string method, std::string_view path,
    std::vector<std::pair<std::string, std::string>> query, http::Headers headers,
    const Context& context) {
  std::string encoded = fmt::format("{}/{}", address_.endpoint.path, UrlEncode(address_.container));
  if (!path.empty()) encoded += "/" + UrlEncode(path, "/");
  headers.Add("x-ms-version", kVersion);
  headers.Add("x-ms-date", HttpDate(std::chrono::system_clock::now()));
  if (mode_ == Mode::kToken) {
    KINGLET_TRY(std::string token, token_.Get(context));
    headers.Add("Authorization", "Bearer " + token);
    headers.Add("x-ms-file-request-intent", "backup");  // what a token for Azure Files must state
  } else if (mode_ == Mode::kKey) {
    headers.Add("Authorization",
                AzureSharedKey(method, address_.account, key_, encoded, query, headers));
  }
  http::ClientRequest request;
  request.method = std::move(method);
  request.url =
      fmt::format("{}://{}{}", address_.endpoint.scheme, address_.endpoint.Authority(), encoded);
  std::string text = FormEncode(query);
  if (mode_ == Mode::kSas) text += (text.empty() ? "" : "&") + address_.sas;
  if (!text.empty()) request.url += "?" + text;
  request.headers = std::move(headers);
  request.stop = context.stop;
  request.deadline = context.deadline;
  request.stall_timeout = context.stall_timeout;
  return request;
}

Result<XmlElement> AzureAccount::GetXml(std::string_view path,
                                        std::vector<std::pair<std::string, std::string>> query,
                                        const Context& context) {
  for (int attempt = 0;; ++attempt) {
    KINGLET_TRY(auto request, Request("GET", path, query, {}, context));
    KINGLET_TRY(auto response, client_->Do(request, kMaxListing));
    if (response.status != 200) {
      if (attempt == 0 && Renew(response)) continue;
      return Fail(CodeFromHttpStatus(response.status), "{}/{}: {}", address_.container, path,
                  Explain(response));
    }
    std::string_view body = response.body;
    if (body.starts_with("\xef\xbb\xbf")) body.remove_prefix(3);  // a byte order mark
    auto xml = ParseXml(body, {.max_bytes = kMaxListing});
    if (!xml) return Unexpected(xml.error().WithContext("the listing"));
    return *xml;
  }
}

bool AzureAccount::Renew(const http::ClientResponse& answer) {
  return mode_ == Mode::kToken && answer.status == 401 && token_.Drop();
}

std::string AzureAccount::Explain(const http::ClientResponse& answer) const {
  std::string code(answer.headers.Get("x-ms-error-code"));
  std::string text =
      code.empty() ? DescribeStatus(answer) : fmt::format("HTTP {} {}", answer.status, code);
  bool refused = answer.status == 401 || answer.status == 403 || answer.status == 404;
  if (refused && mode_ == Mode::kAnonymous) {
    text += " (asked anonymously: no SAS, key or client was given)";
  }
  return text;
}

// The order of DefaultAzureCredential: a client with a secret, workload identity, managed identity.
AzureAccount::Found AzureAccount::Token(const Context& context) {
  if (std::string secret = Setting(environment_, "CLIENT_SECRET"); !secret.empty()) {
    return FromDirectory({{"client_secret", secret}}, context);
  }
  if (std::string file = environment_.Get("AZURE_FEDERATED_TOKEN_FILE"); !file.empty()) {
    auto assertion = ReadFile(file, 1 << 20);
    if (!assertion) return Unexpected(assertion.error().WithContext("AZURE_FEDERATED_TOKEN_FILE"));
    while (assertion->ends_with('\n')) assertion->pop_back();
    return FromDirectory(
        {{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
         {"client_assertion", *assertion}},
        context);
  }
  return ManagedIdentity(context);
}

// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
AzureAccount::Found AzureAccount::FromDirectory(
    std::vector<std::pair<std::string, std::string>> proof, const Context& context) {
  std::string authority = environment_.Get("AZURE_AUTHORITY_HOST");
  if (authority.empty()) authority = "https://login.microsoftonline.com";
  if (authority.find("://") == std::string::npos) authority = "https://" + authority;
  while (authority.ends_with('/')) authority.pop_back();
  std::string tenant = Setting(environment_, "TENANT_ID");
  if (tenant.empty()) return Fail(Code::kInvalidArgument, "AZURE_TENANT_ID is not set");
  proof.insert(proof.begin(), {{"grant_type", "client_credentials"},
                               {"client_id", Setting(environment_, "CLIENT_ID")},
                               {"scope", fmt::format("{}.default", kResource)}});
  http::ClientRequest request;
  request.method = "POST";
  request.url = fmt::format("{}/{}/oauth2/v2.0/token", authority, UrlEncode(tenant));
  request.headers.Add("Content-Type", "application/x-www-form-urlencoded");
  request.body = FormEncode(proof);
  KINGLET_TRY(Json json, CallJson(*client_, std::move(request), context, "the Azure token"));
  return Expiring<std::string>{
      json["access_token"].AsString(),
      std::chrono::system_clock::now() + std::chrono::seconds(json["expires_in"].AsInt(3600))};
}

// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
AzureAccount::Found AzureAccount::ManagedIdentity(const Context& context) {
  std::vector<std::pair<std::string, std::string>> query = {{"resource", std::string(kResource)}};
  std::string client_id = Setting(environment_, "CLIENT_ID");
  if (!client_id.empty()) query.emplace_back("client_id", client_id);
  http::ClientRequest request;
  std::string url = environment_.Get("IDENTITY_ENDPOINT");
  if (!url.empty()) {
    query.emplace_back("api-version", "2019-08-01");
    request.headers.Add("X-IDENTITY-HEADER", environment_.Get("IDENTITY_HEADER"));
  } else {
    std::string host = environment_.Get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    if (host.empty()) host = "http://169.254.169.254";
    while (host.ends_with('/')) host.pop_back();
    url = host + "/metadata/identity/oauth2/token";
    query.emplace_back("api-version", "2018-02-01");
    request.headers.Add("Metadata", "true");
  }
  request.url = url + (url.find('?') == std::string::npos ? "?" : "&") + FormEncode(query);
  auto client = LinkLocalClient();
  KINGLET_TRY(Json json, CallJson(*client, std::move(request), context, "the managed identity"));
  const Json& seconds = json["expires_in"];
  int64_t count = seconds.IsString() ? atoll(seconds.AsString().c_str()) : seconds.AsInt();
  return Expiring<std::string>{
      json["access_token"].AsString(),
      std::chrono::system_clock::now() + std::chrono::seconds(count > 0 ? count : 600)};
}

Result<std::unique_ptr<AzureAccount>> OpenAzureAccount(std::string_view uri,
                                                       std::string_view service,
                                                       const Environment& environment) {
  KINGLET_TRY(auto address, ParseAzureUri(uri, service, environment));
  KINGLET_TRY(auto options, WebOptions(environment));
  return std::make_unique<AzureAccount>(std::move(address), environment,
                                        http::Client::Make(std::move(options)));
}

}  // namespace kinglet::storage
