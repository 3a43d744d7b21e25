#include "health/probes.h"

#include <thread>

#include "health/ray.h"
#include "net/http/client.h"

namespace kinglet::health {
namespace {

constexpr int64_t kServerRetries = 1;
constexpr Duration kServerInterval = std::chrono::seconds(1);
constexpr size_t kAnswerLimit = size_t{4} << 20;

// Again after each failure but the last.
Status Retry(int64_t retries, Duration interval, const std::function<Status()>& check) {
  Status status = check();
  for (int64_t i = 0; i < retries && !status; ++i) {
    std::this_thread::sleep_for(interval);
    status = check();
  }
  return status;
}

Result<http::ClientResponse> Get(const ProbeOptions& options) {
  auto client = http::Client::Make({.max_redirects = 3, .use_environment_proxy = false});
  auto response =
      client->Do({.url = options.url, .deadline = Deadline::After(options.timeout)}, kAnswerLimit);
  if (!response) {
    return Unexpected(response.error().WithContext(fmt::format("server {}", options.url)));
  }
  return response;
}

}  // namespace

Status CheckNodes(const ProbeOptions& options) {
  return Retry(options.retries, options.interval, [&]() -> Status {
    KINGLET_TRY(int alive, CountAliveNodes(options.ray_address, Deadline::After(options.timeout)));
    if (alive >= options.nodes) return {};
    return Fail(Code::kUnavailable, "{} of {} nodes are registered", alive, options.nodes);
  });
}

Status CheckServer(const ProbeOptions& options) {
  return Retry(kServerRetries, kServerInterval, [&]() -> Status {
    KINGLET_TRY(auto response, Get(options));
    if (response.status == 200) return {};
    return Fail(Code::kUnavailable, "server {} answers {}", options.url, response.status);
  });
}

Status CheckModels(const ProbeOptions& options) {
  return Retry(kServerRetries, kServerInterval, [&]() -> Status {
    KINGLET_TRY(auto response, Get(options));
    if (response.body.find(options.model) != std::string::npos) return {};
    return Fail(Code::kUnavailable, "server {} does not name model {}", options.url, options.model);
  });
}

}  // namespace kinglet::health
