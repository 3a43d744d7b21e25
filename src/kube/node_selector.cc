#include "kube/node_selector.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "kube/object.h"

namespace kinglet::kube {
namespace {

std::optional<int64_t> ToInteger(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// `value` is null where the node has none.
bool Meets(const Json& requirement, const Json& value) {
  const std::string& op = requirement["operator"].AsString();
  const auto& values = requirement["values"].AsArray();
  const bool among = !value.IsNull() && std::ranges::find(values, value) != values.end();
  if (op == "In") return among;
  if (op == "NotIn") return !among;
  if (op == "Exists") return !value.IsNull();
  if (op == "DoesNotExist") return value.IsNull();
  if ((op == "Gt" || op == "Lt") && values.size() == 1) {
    auto has = ToInteger(value.AsString()), limit = ToInteger(values[0].AsString());
    return has && limit && (op == "Gt" ? *has > *limit : *has < *limit);
  }
  return false;
}

bool MeetsAll(const Json& term, const Json& node) {
  const auto& expressions = term["matchExpressions"].AsArray();
  const auto& fields = term["matchFields"].AsArray();
  if (expressions.empty() && fields.empty()) return false;
  return std::ranges::all_of(expressions,
                             [&](const Json& requirement) {
                               return Meets(requirement,
                                            Labels(node)[requirement["key"].AsString()]);
                             }) &&
         std::ranges::all_of(fields, [&](const Json& requirement) {
           // The only field that the API server allows.
           return requirement["key"].AsString() == "metadata.name" &&
                  Meets(requirement, node["metadata"]["name"]);
         });
}

}  // namespace

bool MatchesNodeSelector(const Json& selector, const Json& node) {
  return std::ranges::any_of(selector["nodeSelectorTerms"].AsArray(),
                             [&](const Json& term) { return MeetsAll(term, node); });
}

}  // namespace kinglet::kube
