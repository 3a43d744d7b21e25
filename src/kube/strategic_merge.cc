#include "kube/strategic_merge.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <vector>

namespace kinglet::kube {
namespace {

constexpr std::string_view kOrderPrefix = "$setElementOrder/";
constexpr std::string_view kDeletePrefix = "$deleteFromPrimitiveList/";

constexpr size_t kMaxItems = 10'000;

struct RuleRow {
  std::string_view parent;  // "" any
  std::string_view field;
  std::string_view key;  // "" a set of scalars
  bool retain_keys = false;
};

// patchMergeKey and patchStrategy of the core, apps and batch types.
constexpr std::array<RuleRow, 27> kRules = {{
    {"", "containers", "name"},
    {"", "initContainers", "name"},
    {"", "ephemeralContainers", "name"},
    {"", "env", "name"},
    {"containers", "ports", "containerPort"},
    {"initContainers", "ports", "containerPort"},
    {"ephemeralContainers", "ports", "containerPort"},
    {"spec", "ports", "port"},
    {"", "volumeMounts", "mountPath"},
    {"", "volumeDevices", "devicePath"},
    {"spec", "volumes", "name", true},
    {"", "imagePullSecrets", "name"},
    {"", "secrets", "name"},
    {"", "hostAliases", "ip"},
    {"", "topologySpreadConstraints", "topologyKey"},
    {"spec", "resourceClaims", "name", true},
    {"", "schedulingGates", "name"},
    {"", "resourceClaimStatuses", "name", true},
    {"", "conditions", "type"},
    {"metadata", "ownerReferences", "uid"},
    {"metadata", "finalizers", ""},
    {"", "podIPs", "ip"},
    {"", "hostIPs", "ip"},
    {"status", "addresses", "type"},
    {"", "podCIDRs", ""},
    {"", "webhooks", "name"},
    // Component specs of an InferenceService inline a pod spec under their own name.
    {"predictor", "volumes", "name", true},
}};

Result<Json> MergeObject(Json original, const Json& patch, std::string_view parent);

bool IsDirective(std::string_view key) { return key.starts_with('$'); }

// Ports with one number and two protocols are two ports.
bool SameItem(const Json& a, const Json& b, const ListMergeRule& rule) {
  if (rule.merge_key.empty()) return a == b;
  const Json& key = a[rule.merge_key];
  if (key.IsNull() || !(key == b[rule.merge_key])) return false;
  if (rule.merge_key == "containerPort" || rule.merge_key == "port") {
    return a["protocol"].StringOr("TCP") == b["protocol"].StringOr("TCP");
  }
  return true;
}

// The first place of each item in a list, by its merge key: two long lists are merged in time that
// grows with their lengths, not with the product of them.
class Places {
 public:
  // with_protocol: as SameItem tells items apart. Order lists may leave out the protocol.
  Places(const Json::Array& list, const ListMergeRule& rule, bool with_protocol)
      : rule_(rule), with_protocol_(with_protocol), none_(list.size()) {
    for (size_t i = 0; i < list.size(); ++i) Add(list[i], i);
  }
  void Add(const Json& item, size_t place) { first_.emplace(Text(item), place); }
  // The number of items that there were if it is not there.
  size_t Of(const Json& item) const {
    auto found = first_.find(Text(item));
    return found == first_.end() ? none_ : found->second;
  }
  bool Has(const Json& item) const { return first_.contains(Text(item)); }

 private:
  std::string Text(const Json& item) const {
    if (rule_.merge_key.empty()) return item.Dump();
    std::string text = item[rule_.merge_key].Dump();
    const bool is_port = rule_.merge_key == "containerPort" || rule_.merge_key == "port";
    if (is_port && with_protocol_) text += "/" + item["protocol"].StringOr("TCP");
    return text;
  }

  ListMergeRule rule_;
  bool with_protocol_;
  size_t none_;
  std::unordered_map<std::string, size_t> first_;
};

// Puts the items named by `order` in that order. One of the server's own stands before a named one
// only if it did so before: what was not there yet comes first.
Json::Array Reorder(Json::Array merged, const Json::Array& order, const Json::Array& before,
                    const ListMergeRule& rule) {
  const Places in_order(order, rule, false), in_before(before, rule, false);
  Json::Array named, own;
  std::vector<std::pair<size_t, size_t>> places;  // in `order`, in `merged`
  for (size_t i = 0; i < merged.size(); ++i) {
    size_t place = in_order.Of(merged[i]);
    if (place < order.size()) {
      places.emplace_back(place, i);
    } else {
      own.push_back(std::move(merged[i]));
    }
  }
  std::sort(places.begin(), places.end());
  for (const auto& [place, i] : places) named.push_back(std::move(merged[i]));
  Json::Array out;
  auto left = named.begin(), right = own.begin();
  while (left != named.end() || right != own.end()) {
    bool take_right = left == named.end();
    if (!take_right && right != own.end()) {
      size_t l = in_before.Of(*left), r = in_before.Of(*right);
      take_right = l < before.size() && r < l;
    }
    out.push_back(std::move(take_right ? *right++ : *left++));
  }
  return out;
}

Result<Json> MergeList(const Json& original, const Json& patch, std::string_view parent,
                       std::string_view field) {
  ListMergeRule rule = MergeRule(parent, field);
  if (!rule.merge) return patch;
  if (patch.size() > kMaxItems) {
    return Fail(Code::kInvalidArgument, "{} has more than {} items", field, kMaxItems);
  }
  Json::Array merged = original.AsArray();
  if (rule.merge_key.empty()) {
    Places places(merged, rule, true);
    for (const Json& item : patch.AsArray()) {
      if (places.Has(item)) continue;
      places.Add(item, merged.size());
      merged.push_back(item);
    }
    return Json(Reorder(std::move(merged), patch.AsArray(), original.AsArray(), rule));
  }
  bool replace = std::any_of(patch.AsArray().begin(), patch.AsArray().end(), [&](const Json& item) {
    return item["$patch"].AsString() == "replace" && item[rule.merge_key].IsNull();
  });
  if (replace) merged.clear();
  Places places(merged, rule, true);
  Json::Array order;
  for (const Json& item : patch.AsArray()) {
    const std::string& directive = item["$patch"].AsString();
    if (item[rule.merge_key].IsNull()) {
      if (directive == "replace") continue;
      return Fail(Code::kInvalidArgument, "map: {} does not contain declared merge key: {}",
                  item.Dump().substr(0, 200), rule.merge_key);
    }
    if (directive == "delete") {
      if (!places.Has(item)) continue;
      std::erase_if(merged, [&](const Json& other) { return SameItem(other, item, rule); });
      places = Places(merged, rule, true);
      continue;
    }
    order.push_back(item);
    if (!places.Has(item)) {
      places.Add(item, merged.size());
      merged.push_back(Json::MakeObject());
    }
    Json& present = merged[places.Of(item)];
    KINGLET_TRY(present, MergeObject(std::move(present), item, field));
  }
  return Json(Reorder(std::move(merged), order, original.AsArray(), rule));
}

Result<Json> MergeValue(const Json& original, const Json& patch, std::string_view parent,
                        std::string_view field) {
  if (patch.IsObject()) {
    return MergeObject(original.IsObject() ? original : Json::MakeObject(), patch, field);
  }
  if (patch.IsArray()) {
    return MergeList(original.IsArray() ? original : Json::MakeArray(), patch, parent, field);
  }
  return patch;
}

Status ApplyDirective(Json& original, std::string_view key, const Json& value) {
  if (key == "$patch" || key.starts_with(kOrderPrefix)) return {};  // handled around the members
  if (key == "$retainKeys") {
    if (!value.IsArray()) return Fail(Code::kInvalidArgument, "$retainKeys needs a list");
    std::erase_if(original.MutableObject(), [&](const auto& member) {
      const auto& keep = value.AsArray();
      return std::none_of(keep.begin(), keep.end(),
                          [&](const Json& name) { return name.AsString() == member.first; });
    });
    return {};
  }
  if (key.starts_with(kDeletePrefix)) {
    if (Json* list = original.Find(key.substr(kDeletePrefix.size())); list && list->IsArray()) {
      const auto& gone = value.AsArray();
      std::erase_if(list->MutableArray(), [&](const Json& item) {
        return std::find(gone.begin(), gone.end(), item) != gone.end();
      });
    }
    return {};
  }
  return Fail(Code::kInvalidArgument, "unknown strategic merge patch directive \"{}\"", key);
}

Result<Json> MergeObject(Json original, const Json& patch, std::string_view parent) {
  const std::string& directive = patch["$patch"].AsString();
  if (directive == "delete") return Json::MakeObject();
  if (directive == "replace") {
    Json bare = patch;
    bare.Erase("$patch");
    return bare;
  }
  if (!directive.empty() && directive != "merge") {
    return Fail(Code::kInvalidArgument, "unknown strategic merge patch directive $patch: {}",
                directive);
  }
  if (!original.IsObject()) original = Json::MakeObject();
  for (const auto& [key, value] : patch.AsObject()) {
    if (IsDirective(key)) KINGLET_RETURN_IF_ERROR(ApplyDirective(original, key, value));
  }
  Json before = original;
  for (const auto& [key, value] : patch.AsObject()) {
    if (IsDirective(key)) continue;
    if (value.IsNull()) {
      original.Erase(key);
      continue;
    }
    if (value["$patch"].AsString() == "delete") {
      original.Erase(key);
      continue;
    }
    KINGLET_TRY(Json merged, MergeValue(original[key], value, parent, key));
    original.Set(key, std::move(merged));
  }
  for (const auto& [key, value] : patch.AsObject()) {
    if (!key.starts_with(kOrderPrefix)) continue;
    std::string_view field = std::string_view(key).substr(kOrderPrefix.size());
    Json* list = original.Find(field);
    ListMergeRule rule = MergeRule(parent, field);
    if (!list || !list->IsArray() || !rule.merge) continue;
    *list = Json(
        Reorder(std::move(list->MutableArray()), value.AsArray(), before[field].AsArray(), rule));
  }
  return original;
}

}  // namespace

ListMergeRule MergeRule(std::string_view parent, std::string_view field) {
  for (const RuleRow& row : kRules) {
    if (row.field == field && (row.parent.empty() || row.parent == parent)) {
      return {true, row.key, row.retain_keys};
    }
  }
  return {};
}

bool SupportsStrategicMerge(std::string_view api_group) {
  constexpr std::array<std::string_view, 15> kBuiltIn = {"",
                                                         "admissionregistration.k8s.io",
                                                         "apps",
                                                         "authentication.k8s.io",
                                                         "authorization.k8s.io",
                                                         "autoscaling",
                                                         "batch",
                                                         "coordination.k8s.io",
                                                         "discovery.k8s.io",
                                                         "events.k8s.io",
                                                         "networking.k8s.io",
                                                         "policy",
                                                         "rbac.authorization.k8s.io",
                                                         "scheduling.k8s.io",
                                                         "storage.k8s.io"};
  return std::find(kBuiltIn.begin(), kBuiltIn.end(), api_group) != kBuiltIn.end();
}

Result<Json> ApplyStrategicMergePatch(Json original, const Json& patch, std::string_view parent) {
  if (!patch.IsObject()) {
    return Fail(Code::kInvalidArgument, "a strategic merge patch is an object, not {}",
                patch.TypeName());
  }
  return MergeObject(std::move(original), patch, parent);
}

}  // namespace kinglet::kube
