#include "local/apiserver/logs.h"

#include <fmt/format.h>

#include <charconv>
#include <condition_variable>
#include <thread>

#include "net/loop.h"

namespace kinglet::local {
namespace {

// Bytes on their way from the source's thread to the connection's loop.
class Pipe {
 public:
  static constexpr size_t kLimit = 1 << 20;

  explicit Pipe(std::shared_ptr<net::Event> ready) : ready_(std::move(ready)) {}

  // The source's thread. Waits while the reader is behind.
  Status Write(std::string_view bytes) {
    std::unique_lock lock(mutex_);
    space_.wait(lock, [this] { return bytes_.size() < kLimit || closed_; });
    if (closed_) return Fail(Code::kCancelled, "nobody reads the log any more");
    bytes_.append(bytes);
    lock.unlock();
    ready_->Raise();
    return {};
  }
  void Finish(Status status) {
    {
      std::lock_guard lock(mutex_);
      finished_ = true;
      status_ = std::move(status);
    }
    ready_->Raise();
  }

  // The loop.
  std::string Take(bool* finished, Status* status) {
    std::lock_guard lock(mutex_);
    *finished = finished_;
    *status = status_;
    space_.notify_one();
    return std::exchange(bytes_, {});
  }
  void Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    space_.notify_one();
  }

 private:
  const std::shared_ptr<net::Event> ready_;
  std::mutex mutex_;
  std::condition_variable space_;
  std::string bytes_;
  bool finished_ = false, closed_ = false;
  Status status_;
};

ApiResult<std::optional<int64_t>> Number(const Call& call, std::string_view key) {
  if (!call.HasQuery(key)) return std::nullopt;
  std::string text = call.Query(key);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return ApiUnexpected(
        Invalid({"pods", "", "PodLogOptions"}, call.name,
                {InvalidValue(std::string(key), text, "must be greater than or equal to 0")}));
  }
  return value;
}

ApiStatus ChooseContainer(const Call& call, PodLogRequest& request) {
  request.container = call.Query("container");
  std::string names, inits;
  bool known = false;
  size_t count = request.pod.At({"spec", "containers"}).size();
  for (const char* key : {"containers", "initContainers"}) {
    std::string& list = std::string_view(key) == "containers" ? names : inits;
    for (const Json& container : request.pod["spec"][key].AsArray()) {
      const std::string& name = container["name"].AsString();
      known = known || name == request.container;
      if (!list.empty()) list += " ";
      list += name;
    }
  }
  if (request.container.empty()) {
    const std::string& preferred =
        request.pod.At({"metadata", "annotations"})["kubectl.kubernetes.io/default-container"]
            .AsString();
    if (!preferred.empty()) {
      request.container = preferred;
    } else if (count == 1) {
      request.container = names;
    } else {
      std::string text = fmt::format(
          "a container name must be specified for pod {}, choose one of: [{}]", call.name, names);
      if (!inits.empty()) text += fmt::format(" or one of the init containers: [{}]", inits);
      return ApiUnexpected(BadRequest(text));
    }
    return {};
  }
  if (!known) {
    return ApiUnexpected(BadRequest(
        fmt::format("container {} is not valid for pod {}", request.container, call.name)));
  }
  return {};
}

ApiResult<PodLogRequest> ReadRequest(Api& api, const Call& call) {
  if (!api.options().pod_logs) return ApiUnexpected(PathNotFound());
  RecordPtr record = api.store().Get("pods", call.Ref());
  if (!record) return ApiUnexpected(NotFound(call.resource->Target(), call.name));
  PodLogRequest request;
  request.pod = record->object;
  KINGLET_API_CHECK(ChooseContainer(call, request));
  request.follow = call.QueryBool("follow");
  request.previous = call.QueryBool("previous");
  request.timestamps = call.QueryBool("timestamps");
  KINGLET_API_TRY(request.tail_lines, Number(call, "tailLines"));
  KINGLET_API_TRY(request.limit_bytes, Number(call, "limitBytes"));
  KINGLET_API_TRY(auto seconds, Number(call, "sinceSeconds"));
  if (seconds) request.since = Clock::System().Wall() - std::chrono::seconds(*seconds);
  if (call.HasQuery("sinceTime")) {
    auto time = ParseRfc3339(call.Query("sinceTime"));
    if (!time) return ApiUnexpected(BadRequest("sinceTime: " + time.error().message()));
    request.since = *time;
  }
  return request;
}

}  // namespace

net::Task<void> ServeLogs(Api& api, Call call, http::Exchange& exchange, LogStreams& streams,
                          std::stop_token stop) {
  auto send_error = [&](const ApiError& error) {
    http::Response response = RenderError(error);
    exchange.Send(response.status, "application/json", response.body);
  };
  auto request = ReadRequest(api, call);
  if (!request) {
    send_error(request.error());
    co_return;
  }
  if (streams.running.fetch_add(1) >= LogStreams::kLimit) {
    streams.running.fetch_sub(1);
    send_error(
        MakeApiError(429, "TooManyRequests", "too many logs are being read: try again later"));
    co_return;
  }
  auto ready = std::make_shared<net::Event>(exchange.loop());
  auto pipe = std::make_shared<Pipe>(ready);
  std::stop_source end;
  std::stop_callback on_stop(stop, [&end, ready] {
    end.request_stop();
    ready->Raise();
  });
  request->stop = end.get_token();
  // The thread outlives this coroutine when the client goes: it owns all that it uses.
  std::thread([pipe, request = std::move(*request), source = api.options().pod_logs, &streams] {
    Status status = source(request, [&](std::string_view bytes) { return pipe->Write(bytes); });
    pipe->Finish(std::move(status));
    streams.running.fetch_sub(1);
    streams.running.notify_all();
  }).detach();

  bool head = false, finished = false;
  while (!finished) {
    bool raised = co_await ready->Wait(Deadline::Never(), exchange.stop());
    ready->Reset();
    Status status;
    std::string bytes = pipe->Take(&finished, &status);
    if (!head && bytes.empty() && finished && !status) {
      send_error(FromError(status.error(), call.resource->Target(), call.name));
      pipe->Close();
      co_return;
    }
    if (!head) {
      http::Headers headers;
      headers.Set("Content-Type", "text/plain");
      exchange.SendHead(200, headers);
      head = true;
    }
    bool written = bytes.empty() || (co_await exchange.Write(bytes)).has_value();
    if (!raised || !written || stop.stop_requested()) break;
  }
  end.request_stop();
  pipe->Close();
  (void)co_await exchange.End();
}

}  // namespace kinglet::local
