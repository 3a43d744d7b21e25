#include "cli/cache_diagnosis.h"

#include <algorithm>

#include "kube/node_selector.h"
#include "kube/object.h"

namespace kinglet::cli {
namespace {

using Level = Finding::Level;

const Json& AffinityOf(const Json& group) {
  return group.At({"spec", "persistentVolumeSpec", "nodeAffinity", "required"});
}

const Json* Named(const std::vector<Json>& objects, const std::string& name) {
  auto it = std::ranges::find_if(objects, [&](const Json& o) { return kube::Name(o) == name; });
  return it == objects.end() ? nullptr : &*it;
}

std::string WishText(const Json& requirement) {
  std::string values;
  for (const Json& value : requirement["values"].AsArray()) {
    values += (values.empty() ? "" : ", ") + value.AsString();
  }
  return fmt::format("{} {}{}", requirement["key"].AsString(), requirement["operator"].AsString(),
                     values.empty() ? "" : " (" + values + ")");
}

// The group asks for labels that no node has.
Finding EmptyGroup(const Json& group, const std::vector<Json>& nodes) {
  std::string wishes, label;
  for (const Json& term : AffinityOf(group)["nodeSelectorTerms"].AsArray()) {
    std::string all;
    for (const Json& wish : term["matchExpressions"].AsArray()) {
      all += (all.empty() ? "" : " and ") + WishText(wish);
      const bool simple = wish["operator"].AsString() == "In" && !wish["values"].empty();
      if (label.empty() && simple) {
        label = wish["key"].AsString() + "=" + wish["values"][0].AsString();
      }
    }
    wishes += (wishes.empty() ? "" : ", or ") + all;
  }
  Finding out{
      .what = fmt::format("There is no node in LocalModelNodeGroup {}: ", kube::Name(group)),
      .next = ""};
  if (wishes.empty()) {
    out.what += "its persistentVolumeSpec has no nodeAffinity, which lets nobody in.";
    out.next = "Give it nodeAffinity.required.";
    return out;
  }
  out.what += fmt::format("it asks for {}.", wishes);
  if (!label.empty()) {
    out.next = fmt::format("kubectl label node {} {}",
                           nodes.size() == 1 ? kube::Name(nodes[0]) : "NODE", label);
  }
  return out;
}

Finding OnNode(const std::string& model, const std::string& node, const std::string& state,
               const CacheEvidence& evidence) {
  const Json* list = Named(evidence.node_models, node);
  const std::string reason = list ? (*list)["status"]["modelReasons"][model].AsString() : "";
  const std::string why = reason.empty() ? "." : ": " + reason;
  if (state == "NodeDownloaded") {
    return {Level::kGood, fmt::format("{} is on node {}.", model, node), ""};
  }
  if (state == "NodeDownloading") {
    return {Level::kWaiting, fmt::format("{} is being downloaded to node {}{}", model, node, why),
            ""};
  }
  if (state == "NodeNotReady") {
    return {Level::kProblem, fmt::format("Node {} is not ready.", node), ""};
  }
  if (state == "NodeDownloadError") {
    return {Level::kProblem,
            fmt::format("The download of {} to node {} failed{}", model, node, why), ""};
  }
  return {Level::kWaiting, fmt::format("{} waits to be downloaded to node {}{}", model, node, why),
          ""};
}

}  // namespace

std::vector<Finding> DiagnoseCache(const Json& cache, const CacheEvidence& evidence) {
  std::vector<Finding> out;
  for (const Json& name : cache["spec"]["nodeGroups"].AsArray()) {
    const Json* group = Named(evidence.groups, name.AsString());
    if (!group) {
      out.push_back({Level::kProblem,
                     fmt::format("LocalModelNodeGroup {} does not exist, so nothing is downloaded.",
                                 name.AsString()),
                     "Apply it, or name another in spec.nodeGroups: standalone mode brings "
                     "\"default\"."});
      continue;
    }
    auto is_in = [&](const Json& node) {
      return kube::MatchesNodeSelector(AffinityOf(*group), node);
    };
    // Without the right to see nodes nothing is known of them.
    if (!evidence.nodes.empty() && std::ranges::none_of(evidence.nodes, is_in)) {
      out.push_back(EmptyGroup(*group, evidence.nodes));
    }
  }
  const std::string model = kube::KeyOf(cache).ToString();
  for (const auto& [node, state] : cache["status"]["nodeStatus"].AsObject()) {
    out.push_back(OnNode(model, node, state.AsString(), evidence));
  }
  if (out.empty()) {
    out.push_back({Level::kWaiting, fmt::format("No controller has looked at {} yet.", model),
                   "Is it running? `kinglet up` in standalone mode; in a cluster look at the "
                   "controller manager (namespace kserve)."});
  }
  std::ranges::stable_sort(out, std::ranges::greater(), &Finding::level);
  return out;
}

std::string CopiesText(const Json& cache) {
  const Json& copies = cache["status"]["copies"];
  return fmt::format("{}/{} downloaded", copies["available"].AsInt(), copies["total"].AsInt());
}

}  // namespace kinglet::cli
