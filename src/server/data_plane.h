// From a request's bytes to an answer's bytes: decode, predict, encode, with KServe's errors,
// CloudEvents, metrics and latency lines. No sockets, no threads.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "inference/cloudevents/cloudevent.h"
#include "inference/v2/request.h"
#include "server/line_log.h"
#include "server/reply.h"
#include "server/repository.h"

namespace kinglet::server {

// What a call's header fields say. Views; "" where absent.
struct CallHeaders {
  std::string_view content_type;
  std::string_view inference_header_content_length;
  std::string_view request_id;         // x-request-id
  std::string_view ce_specversion;     // not empty: maybe a binary CloudEvent
  std::function<http::Headers()> all;  // read for CloudEvents only
};

// Memory that requests of one loop share one after another.
struct Scratch {
  PredictRequest request;
  PredictResponse response;
  inference::v2::InferHead head;
  Reply reply;

  // Lets go of what an unusually large answer took: one request must not pin its memory.
  void Trim();
};

struct DataPlaneOptions {
  bool latency_logging = true;
  inference::cloudevents::Options cloud_events;
};

class DataPlane {
 public:
  DataPlane(Repository& repository, DataPlaneOptions options)
      : repository_(repository), options_(std::move(options)) {}

  // POST /v1/models/{model}:predict. The answer is in scratch->reply. `latency` may be null.
  void Predict(std::string_view model, const CallHeaders& headers, std::string_view body,
               Scratch* scratch, LineLog* latency) const;
  // POST /v2/models/{model}/infer.
  void Infer(std::string_view model, const CallHeaders& headers, std::string_view body,
             Scratch* scratch, LineLog* latency) const;

  // The model where it is ready: else KServe's kNotFound or kUnavailable.
  Result<std::shared_ptr<const ModelEntry>> ReadyModel(std::string_view model) const;

 private:
  class Timer;

  Status RunPredict(const ModelEntry& entry, const CallHeaders& headers, std::string_view body,
                    Scratch* scratch, LineLog* latency) const;
  Status RunInfer(const ModelEntry& entry, const CallHeaders& headers, std::string_view body,
                  Scratch* scratch, LineLog* latency) const;

  Repository& repository_;
  DataPlaneOptions options_;
};

}  // namespace kinglet::server
