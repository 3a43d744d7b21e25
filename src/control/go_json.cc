#include "control/go_json.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace kinglet::control {
namespace {

// The order of the fields of all types that occur; no two types contradict each other.
constexpr std::string_view kFields[] = {
    "modelName", "modelSpec", "storageUri", "framework", "memory",
    // graphs
    "nodes", "resources", "affinity", "timeout", "minReplicas", "maxReplicas", "scaleTarget",
    "scaleMetric", "tolerations", "nodeSelector", "routerType", "steps", "name", "nodeName",
    "serviceName", "serviceUrl", "serviceAccountName", "data", "weight", "condition", "dependency",
    // core/v1
    "preference", "podAffinityTerm", "nodeAffinity", "podAffinity", "podAntiAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", "labelSelector",
    "namespaces", "topologyKey", "namespaceSelector", "matchLabelKeys", "mismatchLabelKeys",
    "matchLabels", "matchExpressions", "matchFields", "key", "operator", "value", "values",
    "effect", "tolerationSeconds", "limits", "requests", "claims"};

// Fields whose value is a map.
constexpr std::string_view kMaps[] = {"nodes", "limits", "requests", "matchLabels", "nodeSelector"};

bool IsMap(std::string_view field) { return std::ranges::find(kMaps, field) != std::end(kMaps); }

void Write(const Json& value, bool is_map, std::string& out) {
  if (value.IsArray()) {
    out += '[';
    const char* separator = "";
    for (const Json& item : value.AsArray()) {
      out += std::exchange(separator, ",");
      Write(item, false, out);
    }
    out += ']';
  } else if (value.IsObject()) {
    std::vector<std::pair<size_t, const Json::Object::value_type*>> members;
    for (const auto& member : value.AsObject()) {
      const auto* field = std::ranges::find(kFields, member.first);
      members.emplace_back(is_map ? 0 : field - std::begin(kFields), &member);
    }
    std::ranges::stable_sort(members, {}, [](const auto& member) { return member.first; });
    out += '{';
    const char* separator = "";
    for (const auto& [rank, member] : members) {
      out += std::exchange(separator, ",");
      Json(member->first).DumpTo(out);
      out += ':';
      Write(member->second, IsMap(member->first), out);
    }
    out += '}';
  } else {
    value.DumpTo(out);
  }
}

}  // namespace

std::string DumpAsGo(const Json& value) {
  std::string plain;
  Write(value, false, plain);
  // Outside of strings these do not occur.
  std::string out;
  for (char c : plain) {
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace kinglet::control
