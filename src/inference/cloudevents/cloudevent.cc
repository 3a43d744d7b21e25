#include "inference/cloudevents/cloudevent.h"

#include <algorithm>

#include "base/clock.h"
#include "base/encoding.h"
#include "inference/json_reader.h"

namespace kinglet::inference::cloudevents {
namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return lower;
}

void Set(Attributes* attributes, std::string_view name, std::string value) {
  for (auto& [key, old] : *attributes) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  attributes->emplace_back(name, std::move(value));
}

std::string_view Get(const Attributes& attributes, std::string_view name) {
  for (const auto& [key, value] : attributes) {
    if (key == name) return value;
  }
  return {};
}

std::string Source(const Options& options, std::string_view model) {
  return options.source.empty() ? fmt::format("io.kserve.inference.{}", model) : options.source;
}

std::string Now() { return FormatRfc3339Micro(Clock::System().Wall()); }

}  // namespace

std::optional<Attributes> FromHeaders(
    const std::vector<std::pair<std::string, std::string>>& headers) {
  Attributes attributes;
  for (const auto& [name, value] : headers) {
    std::string lower = LowerCase(name);
    if (lower.starts_with("ce-")) attributes.emplace_back(lower.substr(3), value);
  }
  for (std::string_view required : {"specversion", "id", "source", "type"}) {
    if (std::ranges::none_of(attributes, [&](const auto& a) { return a.first == required; })) {
      return std::nullopt;
    }
  }
  return attributes;
}

Status CheckVersion(const Attributes& attributes) {
  std::string_view version = Get(attributes, "specversion");
  if (version == "1.0" || version == "0.3") return {};
  return Fail(Code::kInvalidArgument, "Cloud Event Exceptions: Found invalid specversion {}",
              version);
}

std::optional<StructuredEvent> ParseStructured(std::string_view body) {
  JsonReader reader(body);
  if (reader.Peek() != '{') return std::nullopt;
  StructuredEvent event;
  bool has_data = false;
  reader.EnterObject();
  for (std::string_view key; reader.NextKey(&key);) {
    std::string name(key);
    std::string_view raw;
    if (!reader.SkipValue(&raw)) return std::nullopt;
    if (name == "data") {
      has_data = true;
      event.data = raw;
    } else if (auto value = Json::Parse(raw)) {
      event.attributes.Set(name, std::move(*value));
    }
  }
  if (!reader.Finish() || !has_data) return std::nullopt;
  for (std::string_view required : {"time", "type", "source", "id", "specversion"}) {
    if (!event.attributes.Has(required)) return std::nullopt;
  }
  return event;
}

Attributes ResponseAttributes(const Options& options, std::string_view model,
                              const Attributes& request) {
  Attributes attributes;
  if (options.merge) {
    attributes = request;
    std::erase_if(attributes, [](const auto& a) { return a.first == "datacontenttype"; });
  }
  Set(&attributes, "specversion", "1.0");
  Set(&attributes, "id", RandomUuid());
  Set(&attributes, "source", Source(options, model));
  Set(&attributes, "type", options.type);
  Set(&attributes, "time", Now());
  return attributes;
}

std::string StructuredResponse(const Options& options, std::string_view model, const Json& request,
                               std::string_view data) {
  Json event = options.merge ? request : Json::MakeObject();
  event.Set("specversion", "1.0");
  event.Set("id", RandomUuid());
  event.Set("source", Source(options, model));
  event.Set("type", options.type);
  event.Set("time", Now());
  std::string text = event.Dump();
  text.pop_back();
  text += ",\"data\":";
  text += data;
  text += '}';
  return text;
}

}  // namespace kinglet::inference::cloudevents
