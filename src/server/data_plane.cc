#include "server/data_plane.h"

#include <unistd.h>

#include <charconv>
#include <chrono>

#include "base/encoding.h"
#include "base/log.h"
#include "base/text.h"
#include "inference/number_text.h"
#include "inference/v1/codec.h"
#include "inference/v2/response.h"

namespace kinglet::server {
namespace {

namespace v1 = inference::v1;
namespace v2 = inference::v2;
namespace ce = inference::cloudevents;

constexpr std::string_view kInferenceHeaderLength = "inference-header-content-length";
constexpr std::string_view kOctets = "application/octet-stream";
constexpr std::string_view kCloudEventJson = "application/cloudevents+json";

// "application/json; charset=utf-8" -> "application/json"
std::string_view MediaType(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return content_type;
}

bool IsJson(std::string_view media_type) {
  return media_type.empty() || http::EqualsIgnoreCase(media_type, "application/json") ||
         (media_type.size() > 5 &&
          http::EqualsIgnoreCase(media_type.substr(media_type.size() - 5), "+json"));
}

// What a model says of its input is an InferenceError in KServe's servers: 500.
Unexpected InferenceError(const Error& error) {
  return Unexpected(Error(Code::kInternal, error.message()));
}

}  // namespace

void Scratch::Trim() {
  constexpr size_t kKeep = size_t{16} << 20;
  size_t held = reply.body.capacity();
  for (const inference::Tensor& output : response.outputs) held += output.data.capacity();
  if (held > kKeep) [[unlikely]]
    *this = Scratch();
}

// Takes the times of a request's phases: observed as histograms, written as KServe's latency line.
class DataPlane::Timer {
 public:
  using Clock = std::chrono::steady_clock;

  Timer(const ModelEntry& entry, LineLog* log) : entry_(entry), log_(log) {}

  void Decoded() { Take(&preprocess_, entry_.metrics->preprocess); }
  void Predicted() { Take(&predict_, entry_.metrics->predict); }
  void Encoded(std::string_view request_id) {
    Take(&postprocess_, entry_.metrics->postprocess);
    if (log_ == nullptr || !LogEnabled(LogLevel::kInfo)) return;
    log_->AppendTime();
    std::string& line = log_->buffer();
    inference::AppendNumber(&line, static_cast<int64_t>(getpid()));
    line += " kserve.trace requestId: ";
    AppendEscaped(line, request_id.empty() ? "N.A." : request_id);
    line += ", preprocess_ms: ";
    inference::AppendNumber(&line, preprocess_);
    line += ", explain_ms: 0, predict_ms: ";
    inference::AppendNumber(&line, predict_);
    line += ", postprocess_ms: ";
    inference::AppendNumber(&line, postprocess_);
    line += '\n';
    log_->Commit();
  }

 private:
  void Take(double* milliseconds, Histogram& histogram) {
    auto now = Clock::now();
    auto nanoseconds = static_cast<double>((now - last_).count());
    last_ = now;
    *milliseconds = nanoseconds / 1e6;
    histogram.Observe(nanoseconds / 1e9);
  }

  const ModelEntry& entry_;
  LineLog* log_;
  Clock::time_point last_ = Clock::now();
  double preprocess_ = 0, predict_ = 0, postprocess_ = 0;
};

Result<std::shared_ptr<const ModelEntry>> DataPlane::ReadyModel(std::string_view model) const {
  auto entry = repository_.Find(model);
  if (!entry) return Fail(Code::kNotFound, "Model with name {} does not exist.", model);
  if (entry->state != ModelState::kReady) {
    return Fail(Code::kUnavailable, "Model with name {} is not ready.", model);
  }
  return entry;
}

void DataPlane::Predict(std::string_view model, const CallHeaders& headers, std::string_view body,
                        Scratch* scratch, LineLog* latency) const {
  scratch->reply.Clear();
  auto entry = ReadyModel(model);
  Status status = entry ? RunPredict(**entry, headers, body, scratch,
                                     options_.latency_logging ? latency : nullptr)
                        : Unexpected(entry.error());
  if (!status) SetError(status.error(), &scratch->reply);
}

Status DataPlane::RunPredict(const ModelEntry& entry, const CallHeaders& headers,
                             std::string_view body, Scratch* scratch, LineLog* latency) const {
  Timer timer(entry, latency);
  PredictRequest& request = scratch->request;
  std::optional<ce::Attributes> binary_event;
  if (!headers.ce_specversion.empty()) {
    binary_event = ce::FromHeaders(headers.all().fields());
    if (binary_event) KINGLET_RETURN_IF_ERROR(ce::CheckVersion(*binary_event));
  }
  auto decoded = v1::DecodeRequest(body, &request.inputs);
  std::optional<ce::StructuredEvent> event;
  if (decoded && !decoded->has_instances && !binary_event) {
    event = ce::ParseStructured(body);
    if (event) decoded = v1::DecodeRequest(event->data, &request.inputs);
  }
  if (!decoded) {
    const Error& error = decoded.error();
    if (binary_event) {
      return Unexpected(error.WithContext("Failed to decode or parse binary json cloudevent"));
    }
    if (!IsJson(MediaType(headers.content_type))) {
      return Fail(error.code(), "{} (the Content-Type is {}: send JSON as application/json)",
                  error.message(), headers.content_type);
    }
    return Unexpected(error);
  }
  if (!decoded->has_instances) {
    return Fail(Code::kInvalidArgument,
                "Expected \"instances\" to be a list: the request has "
                "neither \"instances\" nor \"inputs\"");
  }
  request.columns = decoded->columns;
  timer.Decoded();
  if (Status status = entry.model->Predict(request, &scratch->response); !status) {
    return InferenceError(status.error());
  }
  timer.Predicted();
  Reply& reply = scratch->reply;
  KINGLET_RETURN_IF_ERROR(v1::EncodeResponse(scratch->response.outputs, &reply.body));
  if (binary_event) {
    for (const auto& [name, value] :
         ce::ResponseAttributes(options_.cloud_events, entry.name, *binary_event)) {
      reply.headers.Add("ce-" + name, value);
    }
  } else if (http::EqualsIgnoreCase(MediaType(headers.content_type), kCloudEventJson)) {
    reply.body = ce::StructuredResponse(options_.cloud_events, entry.name,
                                        event ? event->attributes : Json(), reply.body);
    reply.content_type = kCloudEventJson;
  }
  timer.Encoded(headers.request_id);
  return {};
}

void DataPlane::Infer(std::string_view model, const CallHeaders& headers, std::string_view body,
                      Scratch* scratch, LineLog* latency) const {
  scratch->reply.Clear();
  auto entry = ReadyModel(model);
  Status status = entry ? RunInfer(**entry, headers, body, scratch,
                                   options_.latency_logging ? latency : nullptr)
                        : Unexpected(entry.error());
  if (!status) SetError(status.error(), &scratch->reply);
}

Status DataPlane::RunInfer(const ModelEntry& entry, const CallHeaders& headers,
                           std::string_view body, Scratch* scratch, LineLog* latency) const {
  Timer timer(entry, latency);
  Reply& reply = scratch->reply;
  std::optional<size_t> json_length;
  if (std::string_view text = headers.inference_header_content_length; !text.empty()) {
    size_t length = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Fail(Code::kInvalidArgument, "the '{}' header is no number: {}",
                  kInferenceHeaderLength, text);
    }
    json_length = length;
  } else if (!IsJson(MediaType(headers.content_type))) {
    return Fail(Code::kInvalidArgument, "received byte inputs, but the'{}' header is missing.",
                kInferenceHeaderLength);
  }
  PredictRequest& request = scratch->request;
  auto rejection =
      v2::DecodeInferRequest(body, json_length, entry.name, &scratch->head, &request.inputs);
  if (rejection) {
    if (rejection->schema_errors.empty()) return Unexpected(rejection->error);
    reply.status = 422;
    reply.body = std::move(rejection->schema_errors);
    return {};
  }
  if (request.inputs.empty()) {
    return Fail(Code::kInternal, "the request has no inputs");
  }
  request.columns = scratch->head.columns;
  timer.Decoded();
  if (Status status = entry.model->Predict(request, &scratch->response); !status) {
    return InferenceError(status.error());
  }
  timer.Predicted();
  if (scratch->head.id.empty()) scratch->head.id = RandomUuid();
  KINGLET_TRY(auto length, v2::EncodeInferResponse(entry.name, scratch->head.id, scratch->head,
                                                   scratch->response.outputs, &reply.body));
  if (length) {
    reply.content_type = kOctets;
    reply.headers.Add(kInferenceHeaderLength, std::to_string(*length));
  }
  timer.Encoded(headers.request_id);
  return {};
}

}  // namespace kinglet::server
