#include "local/kubelet/environment.h"

#include <algorithm>

#include "base/encoding.h"
#include "kube/object.h"
#include "kube/quantity.h"

namespace kinglet::kubelet {
namespace {

// Text of metadata.labels or metadata.annotations as the downward API writes it: key="value" lines.
std::string FormatMap(const Json& map) {
  std::string text;
  for (const auto& [key, value] : map.AsObject()) {
    if (!text.empty()) text += '\n';
    text += key + "=";
    AppendJsonString(text, value.AsString());
  }
  return text;
}

bool IsVariableName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

// The data of a ConfigMap or Secret, decoded. Empty when it is missing and optional.
Result<Environment> ReadData(const kube::ResourceType& type, const Json& reference,
                             const ObjectSource& objects) {
  const std::string& name = reference["name"].AsString();
  auto object = objects(type, name);
  if (!object) {
    if (object.error().code() == Code::kNotFound && reference["optional"].AsBool()) {
      return Environment{};
    }
    if (object.error().code() == Code::kNotFound) {
      return Fail(Code::kNotFound, "{} \"{}\" not found",
                  type.kind == "Secret" ? "secret" : "configmap", name);
    }
    return Unexpected(object.error());
  }
  Environment data;
  for (const auto& [key, value] : (*object)["data"].AsObject()) {
    if (type.kind == "Secret") {
      KINGLET_TRY(data[key], Base64Decode(value.AsString()));
    } else {
      data[key] = value.AsString();
    }
  }
  for (const auto& [key, value] : (*object)["binaryData"].AsObject()) {
    KINGLET_TRY(data[key], Base64Decode(value.AsString()));
  }
  return data;
}

// The value of env[].valueFrom; nothing when an optional key is missing.
Result<std::optional<std::string>> ReadValueFrom(const Json& from, const Json& container,
                                                 const PodFacts& facts,
                                                 const ObjectSource& objects) {
  if (from.Has("fieldRef")) {
    KINGLET_TRY(std::string value, ReadField(facts, from["fieldRef"]["fieldPath"].AsString()));
    return value;
  }
  if (from.Has("resourceFieldRef")) {
    KINGLET_TRY(std::string value, ReadResource(facts, from["resourceFieldRef"], container));
    return value;
  }
  bool secret = from.Has("secretKeyRef");
  if (!secret && !from.Has("configMapKeyRef")) {
    return Fail(Code::kInvalidArgument, "valueFrom has no source that is known here");
  }
  const Json& reference = from[secret ? "secretKeyRef" : "configMapKeyRef"];
  KINGLET_TRY(Environment data,
              ReadData(secret ? kube::kSecret : kube::kConfigMap, reference, objects));
  const std::string& key = reference["key"].AsString();
  auto it = data.find(key);
  if (it != data.end()) return it->second;
  if (reference["optional"].AsBool()) return std::nullopt;
  return Fail(Code::kNotFound, "couldn't find key {} in {} {}", key,
              secret ? "Secret" : "ConfigMap", reference["name"].AsString());
}

}  // namespace

std::string ExpandVariables(std::string_view text, const Environment& variables) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    size_t close = text[i + 1] == '(' ? text.find(')', i + 2) : text.npos;
    if (close == text.npos) {
      out += '$';
      continue;
    }
    std::string_view name = text.substr(i + 2, close - i - 2);
    auto it = variables.find(name);
    out += it == variables.end() ? std::string(text.substr(i, close - i + 1)) : it->second;
    i = close;
  }
  return out;
}

Result<std::string> ReadField(const PodFacts& facts, std::string_view path) {
  const Json& pod = *facts.pod;
  if (path == "metadata.name") return kube::Name(pod);
  if (path == "metadata.namespace") return kube::Namespace(pod);
  if (path == "metadata.uid") return kube::Uid(pod);
  if (path == "metadata.labels") return FormatMap(kube::Labels(pod));
  if (path == "metadata.annotations") return FormatMap(kube::Annotations(pod));
  if (path == "spec.nodeName") return facts.node_name;
  if (path == "spec.serviceAccountName") {
    return pod["spec"]["serviceAccountName"].StringOr("default");
  }
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.host_ip;
  if (path == "status.podIP" || path == "status.podIPs") return facts.pod_ip;
  for (std::string_view which : {"metadata.labels['", "metadata.annotations['"}) {
    if (path.starts_with(which) && path.ends_with("']") && path.size() >= which.size() + 2) {
      std::string_view key = path.substr(which.size(), path.size() - which.size() - 2);
      return which[9] == 'l' ? kube::Label(pod, key) : kube::Annotation(pod, key);
    }
  }
  return Fail(Code::kInvalidArgument, "unsupported fieldPath: {}", path);
}

Result<std::string> ReadResource(const PodFacts& facts, const Json& reference,
                                 const Json& own_container) {
  const Json* container = &own_container;
  if (const std::string& name = reference["containerName"].AsString(); !name.empty()) {
    container = nullptr;
    for (const char* list : {"containers", "initContainers"}) {
      for (const Json& each : (*facts.pod)["spec"][list].AsArray()) {
        if (each["name"].AsString() == name) container = &each;
      }
    }
    if (!container) return Fail(Code::kNotFound, "container {} not found", name);
  }
  const std::string& resource = reference["resource"].AsString();
  size_t dot = resource.find('.');
  std::string list = resource.substr(0, dot);
  std::string what = dot == resource.npos ? "" : resource.substr(dot + 1);
  if ((list != "limits" && list != "requests") || what.empty()) {
    return Fail(Code::kInvalidArgument, "unsupported container resource: {}", resource);
  }
  kube::Quantity quantity;
  if (const Json* given = (*container)["resources"][list].Find(what)) {
    KINGLET_TRY(quantity, kube::Quantity::FromJson(*given));
  } else if (list == "limits" && what == "cpu") {
    quantity = kube::Quantity::FromMilli(facts.node_cpu_milli);
  } else if (list == "limits" && what == "memory") {
    quantity = kube::Quantity::FromInt(facts.node_memory);
  }
  kube::Quantity divisor = kube::Quantity::FromInt(1);
  if (const Json* given = reference.Find("divisor"); given && !given->IsNull()) {
    KINGLET_TRY(kube::Quantity parsed, kube::Quantity::FromJson(*given));
    if (!parsed.IsZero()) divisor = parsed;
  }
  // Only CPU is counted in thousandths; bytes would overflow there.
  bool milli = what == "cpu";
  int64_t value = milli ? quantity.MilliValue() : quantity.Value();
  int64_t by = std::max<int64_t>(milli ? divisor.MilliValue() : divisor.Value(), 1);
  return std::to_string(value / by + (value % by != 0 ? 1 : 0));
}

Result<Environment> BuildEnvironment(const Json& container, const PodFacts& facts,
                                     const ObjectSource& objects, Environment defaults) {
  Environment result = std::move(defaults);
  for (const Json& from : container["envFrom"].AsArray()) {
    bool secret = from.Has("secretRef");
    KINGLET_TRY(Environment data, ReadData(secret ? kube::kSecret : kube::kConfigMap,
                                           from[secret ? "secretRef" : "configMapRef"], objects));
    for (auto& [key, value] : data) {
      std::string name = from["prefix"].AsString() + key;
      if (IsVariableName(name)) result[name] = std::move(value);
    }
  }
  for (const Json& variable : container["env"].AsArray()) {
    const std::string& name = variable["name"].AsString();
    if (variable["valueFrom"].IsObject()) {
      auto value = ReadValueFrom(variable["valueFrom"], container, facts, objects);
      if (!value) return Unexpected(value.error().WithContext("env " + name));
      if (*value) result[name] = std::move(**value);
    } else {
      result[name] = ExpandVariables(variable["value"].AsString(), result);
    }
  }
  return result;
}

std::vector<std::string> BuildArguments(const Json& container,
                                        const std::vector<std::string>& entrypoint,
                                        const Environment& variables) {
  std::vector<std::string> words;
  for (const Json& word : container["command"].AsArray()) {
    words.push_back(ExpandVariables(word.AsString(), variables));
  }
  if (words.empty()) {
    for (const std::string& word : entrypoint) words.push_back(ExpandVariables(word, variables));
  }
  for (const Json& word : container["args"].AsArray()) {
    words.push_back(ExpandVariables(word.AsString(), variables));
  }
  return words;
}

std::string RewritePaths(std::string_view text, const std::vector<pod::Mount>& mounts) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const pod::Mount* best = nullptr;
    bool start = i == 0 || std::string_view("=,:\" ").find(text[i - 1]) != std::string_view::npos;
    if (start && text[i] == '/') {
      for (const pod::Mount& mount : mounts) {
        size_t end = i + mount.target.size();
        if (text.substr(i).starts_with(mount.target) &&
            (end == text.size() ||
             std::string_view("/,:\" ").find(text[end]) != std::string_view::npos) &&
            (!best || mount.target.size() > best->target.size())) {
          best = &mount;
        }
      }
    }
    if (best) {
      out += best->source;
      i += best->target.size();
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace kinglet::kubelet
