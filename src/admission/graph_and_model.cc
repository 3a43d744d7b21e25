// InferenceGraphs and TrainedModels.
#include <algorithm>
#include <set>

#include <re2/re2.h>

#include "admission/invalid.h"
#include "admission/runtime.h"
#include "kube/quantity.h"

namespace kinglet::admission {
namespace {

Status CheckTarget(const api::InferenceStep& step, size_t index, const std::string& node,
                   const std::string& graph) {
  int targets = !step.node_name.empty() + !step.service_name.empty() + !step.service_url.empty();
  if (targets == 0) {
    return Invalid(
        "Step {} (\"{}\") in node \"{}\" of InferenceGraph \"{}\" does not specify an inference "
        "target",
        index, step.name, node, graph);
  }
  if (targets > 1) {
    return Invalid(
        "Step {} (\"{}\") in node \"{}\" of InferenceGraph \"{}\" specifies more than one of "
        "nodeName, serviceName, serviceUrl",
        index, step.name, node, graph);
  }
  return {};
}

Status CheckWeights(const std::string& graph, const std::string& name,
                    const api::InferenceRouter& node) {
  if (node.router_type != "Splitter") return {};
  int64_t sum = 0;
  for (const auto& step : node.steps) {
    if (!step.weight) {
      return Invalid("InferenceGraph[{}] Node[{}] Route[{}] missing the 'Weight'", graph, name,
                     step.service_name);
    }
    sum += *step.weight;
  }
  if (sum == 100) return {};
  return Invalid(
      "InferenceGraph[{}] Node[{}] splitter node: the sum of traffic weights for all routing "
      "targets should be 100",
      graph, name);
}

}  // namespace

Status ValidateInferenceGraph(const std::string& name, const api::InferenceGraphSpec& spec) {
  static const RE2 kName("[a-z]([-a-z0-9]*[a-z0-9])?");
  if (!RE2::FullMatch(name, kName)) {
    return Invalid(
        "The InferenceGraph \"{}\" is invalid: a InferenceGraph name must consist of lower case "
        "alphanumeric characters or '-', and must start with alphabetical character. (e.g. "
        "\"my-name\" or \"abc-123\", regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        name);
  }
  if (!spec.nodes.contains("root")) {
    return Invalid(
        "root node not found, InferenceGraph needs a node with name 'root' as the root node of the "
        "graph");
  }
  for (const auto& [node_name, node] : spec.nodes) {
    std::set<std::string> names;
    for (const auto& step : node.steps) {
      if (!step.name.empty() && !names.insert(step.name).second) {
        return Invalid(
            "Node \"{}\" of InferenceGraph \"{}\" contains more than one step with name \"{}\"",
            node_name, name, step.name);
      }
    }
  }
  for (const auto& [node_name, node] : spec.nodes) {
    for (size_t i = 0; i < node.steps.size(); ++i) {
      KINGLET_RETURN_IF_ERROR(CheckTarget(node.steps[i], i, node_name, name));
    }
  }
  for (const auto& [node_name, node] : spec.nodes) {
    KINGLET_RETURN_IF_ERROR(CheckWeights(name, node_name, node));
  }
  return {};
}

Status ValidateTrainedModel(const std::string& name, const api::TrainedModelSpec& spec,
                            const api::TrainedModelSpec* old_spec) {
  static const RE2 kName("[a-zA-Z0-9_-]+");
  if (!RE2::FullMatch(name, kName)) {
    return Invalid(
        "the Trained Model \"{}\" is invalid: a Trained Model name must consist of alphanumeric "
        "characters, '_', or '-'. (e.g. \"my-Name\" or \"abc_123\", regex used for validation is "
        "'^[a-zA-Z0-9_-]+$')",
        name);
  }
  static constexpr std::string_view kPrefixes[] = {"s3://", "gs://", "https://", "http://"};
  const std::string& uri = spec.model.storage_uri;
  if (std::ranges::none_of(kPrefixes, [&](auto prefix) { return uri.starts_with(prefix); })) {
    return Invalid(
        "the Trained Model \"{}\" storageUri field is invalid. The storage uri must start with one "
        "of the prefixes: s3://, gs://, https://, http://. (the storage uri given is \"{}\")",
        name, uri);
  }
  if (old_spec) {
    auto amount = [](const api::Quantity& memory) {
      return kube::Quantity::FromJson(memory.value).value_or(kube::Quantity());
    };
    const kube::Quantity old_memory = amount(old_spec->model.memory),
                         memory = amount(spec.model.memory);
    if (old_memory != memory) {
      return Invalid(
          "the Trained Model \"{}\" memory field is immutable. The memory was \"{}\" but it is "
          "updated to \"{}\"",
          name, old_memory.ToString(), memory.ToString());
    }
  }
  return {};
}

}  // namespace kinglet::admission
