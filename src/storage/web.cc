#include "storage/web.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/encoding.h"
#include "storage/addresses.h"
#include "storage/limits.h"

namespace kinglet::storage {

namespace {

constexpr size_t kMaxAnswer = size_t{4} << 20;
constexpr Duration kCallTime = std::chrono::seconds(20);
constexpr int kAttempts = 3;
constexpr size_t kMaxPages = 20'000;

}  // namespace

Result<http::ClientOptions> PlainWebOptions(const Environment& environment) {
  http::ClientOptions options;
  options.user_agent = "kinglet";
  const std::string rule = environment.Get("STORAGE_HTTP_ADDRESSES");
  if (!rule.empty() && rule != "public" && rule != "any") {
    return Fail(Code::kInvalidArgument, "STORAGE_HTTP_ADDRESSES is \"{}\": want public or any",
                rule);
  }
  if (rule != "any") {
    options.allow_address = [](std::string_view ip, int) { return !IsMetadataAddress(ip); };
  }
  return options;
}

void RestrictToPublic(http::ClientOptions& options, const Environment& environment) {
  if (environment.Get("STORAGE_HTTP_ADDRESSES") != "public") return;
  options.allow_address = [](std::string_view ip, int) { return IsPublicAddress(ip); };
  options.use_environment_proxy = false;  // a proxy would resolve names by itself
}

Result<http::ClientOptions> WebOptions(const Environment& environment) {
  KINGLET_TRY(http::ClientOptions options, PlainWebOptions(environment));
  std::string folder = environment.Get("CA_BUNDLE_VOLUME_MOUNT_POINT");
  if (!environment.Get("CA_BUNDLE_CONFIGMAP_NAME").empty() && !folder.empty()) {
    options.ca_file = folder + "/cabundle.crt";
    if (access(options.ca_file.c_str(), R_OK) != 0) {
      return Fail(Code::kNotFound, "Failed to find ca bundle file({}).", options.ca_file);
    }
    return options;
  }
  for (const char* name : {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (options.ca_file.empty()) options.ca_file = environment.Get(name);
  }
  return options;
}

std::unique_ptr<http::Client> LinkLocalClient(Duration connect_timeout) {
  http::ClientOptions options;
  options.user_agent = "kinglet";
  options.use_environment_proxy = false;
  options.connect_timeout = connect_timeout;
  return http::Client::Make(std::move(options));
}

std::string FormEncode(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (auto& [key, value] : fields) {
    if (!out.empty()) out += '&';
    out.append(UrlEncode(key)).append("=").append(UrlEncode(value));
  }
  return out;
}

Result<http::ClientResponse> Call(http::Client& client, http::ClientRequest request,
                                  const Context& context, std::string_view what) {
  request.stop = context.stop;
  Duration backoff = std::chrono::milliseconds(200);
  for (int attempt = 1;; ++attempt, backoff *= 3) {
    request.deadline = context.deadline.Min(Deadline::After(kCallTime));
    auto response = client.Do(request, kMaxAnswer);
    if (response && response->status == 200) return response;
    bool busy = response ? RetryableStatus(response->status)
                         : response.error().code() == Code::kUnavailable;
    if (busy && attempt < kAttempts && Wait(backoff, context)) continue;
    if (!response) return Unexpected(response.error().WithContext(what));
    return Fail(CodeFromHttpStatus(response->status), "{}: {}", what, DescribeStatus(*response));
  }
}

Result<Json> CallJson(http::Client& client, http::ClientRequest request, const Context& context,
                      std::string_view what) {
  KINGLET_TRY(auto response, Call(client, std::move(request), context, what));
  auto json = Json::Parse(response.body, {.max_bytes = kMaxAnswer, .max_depth = 32});
  if (!json) return Unexpected(json.error().WithContext(what));
  if (!json->IsObject()) return Fail(Code::kUnavailable, "{}: the answer is no JSON object", what);
  return json;
}

Result<Json> ParseListing(std::string_view text) {
  auto json = Json::Parse(text, {.max_values = kMaxListingValues});
  if (json || json.error().code() != Code::kResourceExhausted) return json;
  return Fail(Code::kFailedPrecondition, "the listing is too large: {}", json.error().message());
}

bool Wait(Duration duration, const Context& context) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  auto until = std::min(std::chrono::steady_clock::now() + duration, context.deadline.at());
  never.wait_until(lock, context.stop, until, [] { return false; });
  return !context.stop.stop_requested() && !context.deadline.Expired();
}

Status Pages::Turn(const std::string& token, std::string_view what) {
  if (!seen_.insert(std::hash<std::string>()(token)).second) {
    return Fail(Code::kFailedPrecondition, "the listing of {} names the same page again", what);
  }
  if (seen_.size() >= kMaxPages) {
    return Fail(Code::kFailedPrecondition, "the listing of {} has over {} pages", what, kMaxPages);
  }
  return {};
}

}  // namespace kinglet::storage
