// CloudEvents 1.0 around a V1 request: in binary mode the attributes are headers, in structured
// mode the body is the event. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::inference::cloudevents {

using Attributes = std::vector<std::pair<std::string, std::string>>;

// CE_TYPE, CE_SOURCE and CE_MERGE of KServe's servers.
struct Options {
  std::string type = "io.kserve.inference.response";
  std::string source;  // "": io.kserve.inference.<model>
  bool merge = false;  // responses take over the request's attributes but id and time
};

// Attributes from "ce-*" fields; nothing where the required ones (specversion, id, source, type)
// are not all there, which means that the request is no binary event.
std::optional<Attributes> FromHeaders(
    const std::vector<std::pair<std::string, std::string>>& headers);
// kInvalidArgument for a version other than 0.3 and 1.0.
Status CheckVersion(const Attributes& attributes);

struct StructuredEvent {
  Json attributes;   // all members but data; of any JSON type
  std::string data;  // JSON text
};
// Nothing where the body is not an object with time, type, source, id, specversion and data.
std::optional<StructuredEvent> ParseStructured(std::string_view body);

// The answer's attributes in binary mode, to be sent as "ce-<name>" fields.
Attributes ResponseAttributes(const Options& options, std::string_view model,
                              const Attributes& request);
// The whole answer in structured mode; `data` is JSON text.
std::string StructuredResponse(const Options& options, std::string_view model, const Json& request,
                               std::string_view data);

}  // namespace kinglet::inference::cloudevents
