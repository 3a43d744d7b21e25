#include "control/inferencegraph/router.h"

#include "api/constants.h"
#include "control/go_json.h"
#include "control/inferenceservice/children/children.h"
#include "kube/object.h"
#include "kube/quantity.h"

namespace kinglet::control {
namespace {

using api::annotation::kKnativeMinScale, api::annotation::kKnativePassthrough;

constexpr std::string_view kKind = "serving.kserve.io/kind";

Json CanonicalQuantities(const Json& quantities) {
  Json out = Json::MakeObject();
  for (const auto& [name, value] : quantities.AsObject()) {
    auto quantity = kube::Quantity::FromJson(value);
    out.Set(name, quantity ? Json(quantity->ToString()) : value);
  }
  return out;
}

// Limits and requests; claims too where they count.
Json CanonicalResources(const Json& resources, bool with_claims) {
  Json out = Json::MakeObject();
  for (auto part : {"limits", "requests"}) {
    if (!resources[part].empty()) out.Set(part, CanonicalQuantities(resources[part]));
  }
  if (with_claims && !resources["claims"].empty()) out.Set("claims", resources["claims"]);
  return out;
}

// The spec's own, even where they are empty maps; else the configured.
Json Resources(const api::InferenceGraphSpec& spec, const api::RouterConfig& router) {
  for (auto part : {"limits", "requests", "claims"}) {
    if (!spec.resources[part].IsNull()) return CanonicalResources(spec.resources, false);
  }
  return router.Resources();
}

Json SecurityContext() {
  return Json::MakeObject(
      {{"privileged", false},
       {"runAsNonRoot", true},
       {"readOnlyRootFilesystem", true},
       {"allowPrivilegeEscalation", false},
       {"capabilities", Json::MakeObject({{"drop", Json::MakeArray({"ALL"})}})}});
}

Json ReadinessProbe() {
  return Json::MakeObject(
      {{"httpGet",
        Json::MakeObject({{"path", "/readyz"}, {"port", api::kHttpPort}, {"scheme", "HTTP"}})},
       {"initialDelaySeconds", 5},
       {"timeoutSeconds", 2},
       {"periodSeconds", 5},
       {"successThreshold", 1},
       {"failureThreshold", 3}});
}

std::string Join(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += ',';
    out += item;
  }
  return out;
}

Json RouterPod(const api::InferenceGraphSpec& spec, const api::RouterConfig& router) {
  Json container = Json::MakeObject({{"image", router.image},
                                     {"args", Json::MakeArray({"--graph-json", GraphJson(spec)})},
                                     {"resources", Resources(spec, router)},
                                     {"readinessProbe", ReadinessProbe()},
                                     {"securityContext", SecurityContext()}});
  if (!router.image_pull_policy.empty()) {
    container.Set("imagePullPolicy", router.image_pull_policy);
  }
  // Set even where the list is empty: the key being there is what counts.
  if (auto headers = router.headers.find("propagate"); headers != router.headers.end()) {
    container.Set("env", Json::MakeArray({Json::MakeObject(
                             {{"name", "PROPAGATE_HEADERS"}, {"value", Join(headers->second)}})}));
  }
  // A router needs nothing of the API server.
  Json pod = Json::MakeObject({{"containers", Json::MakeArray({std::move(container)})},
                               {"automountServiceAccountToken", false}});
  const Json fields = api::Encode(spec);
  for (auto field : {"affinity", "tolerations", "nodeSelector", "nodeName", "serviceAccountName"}) {
    if (!fields[field].IsNull()) pod.Set(field, fields[field]);
  }
  for (const auto& secret : router.image_pull_secrets) {
    pod.Ref("imagePullSecrets").Push(Json::MakeObject({{"name", secret}}));
  }
  return pod;
}

Json OrEmptyMap(const Json& map) { return map.IsObject() ? map : Json::MakeObject(); }

// Of a Deployment or Knative Service: its router's arguments, or null.
const Json* Arguments(const Json& object) {
  const Json& container = object.At({"spec", "template", "spec", "containers"})[0];
  return container["args"].size() == 2 ? &container["args"] : nullptr;
}

}  // namespace

std::string GraphJson(const api::InferenceGraphSpec& spec) {
  Json out = api::Encode(spec);
  out.Set("resources", CanonicalResources(spec.resources, true));
  if (!out["nodes"].IsObject()) out.Set("nodes", Json::MakeObject());
  return DumpAsGo(out);
}

Result<std::vector<DesiredObject>> MakeRouterObjects(const api::InferenceGraph& graph,
                                                     const api::Config& config,
                                                     const api::RouterConfig& router) {
  api::ComponentExtension extension;
  extension.min_replicas = graph.spec.min_replicas;
  extension.max_replicas = graph.spec.max_replicas;
  extension.scale_metric = graph.spec.scale_metric;
  extension.scale_target = graph.spec.scale_target;

  ComponentPlan plan;
  plan.name = graph.name();
  plan.labels = OrEmptyMap(graph.metadata["labels"]);
  plan.labels.Set(api::label::kInferenceGraph, graph.name());
  plan.annotations = OrEmptyMap(graph.metadata["annotations"]);
  plan.pod = RouterPod(graph.spec, router);
  plan.pod.Ref("containers").MutableArray()[0].Set("name", graph.name());
  plan.extension = &extension;

  const api::ServiceConfig service = config.service.value_or(api::ServiceConfig());
  std::vector<DesiredObject> out;
  out.push_back({&kube::kDeployment, MakeDeployment(plan, graph.ns(), config)});
  out.push_back({&kube::kService, MakeService(plan, graph.ns(), service)});
  KINGLET_TRY(auto autoscaler, MakeAutoscaler(plan, graph.ns(), config));
  if (autoscaler) out.push_back(*std::move(autoscaler));
  return out;
}

DesiredObject MakeRouterKnativeService(const api::InferenceGraph& graph,
                                       const api::RouterConfig& router) {
  Json annotations = OrEmptyMap(graph.metadata["annotations"]);
  if (!annotations.Has(api::annotation::kKnativeAutoscalingClass)) {
    annotations.Set(api::annotation::kKnativeAutoscalingClass, api::kKnativePodAutoscaler);
  }
  if (!annotations.Has(kKnativeMinScale)) annotations.Set(kKnativeMinScale, "1");
  Json service = kube::MakeObjectMeta("serving.knative.dev/v1", "Service",
                                      {.ns = graph.ns(), .name = graph.name()});
  Json& metadata = service.Ref("metadata");
  if (annotations.Has(kKnativePassthrough)) {
    metadata.Ref("annotations").Set(kKnativePassthrough, annotations[kKnativePassthrough]);
    annotations.Erase(kKnativePassthrough);
  }
  Json labels = OrEmptyMap(graph.metadata["labels"]);
  if (!labels.empty()) metadata.Set("labels", labels);
  labels.Erase(api::label::kKnativeVisibility);
  labels.Set(api::label::kInferenceGraph, graph.name());
  labels.Set(kKind, "InferenceGraph");

  Json pod = RouterPod(graph.spec, router);
  if (graph.spec.timeout) pod.Set("timeoutSeconds", *graph.spec.timeout);
  // Knative names it; an empty name is what KServe wrote, so what it left is taken over as it is.
  pod.Ref("containers").MutableArray()[0].Set("name", "");
  Json revision = Json::MakeObject(
      {{"metadata",
        Json::MakeObject({{"labels", std::move(labels)}, {"annotations", std::move(annotations)}})},
       {"spec", std::move(pod)}});
  service.Set("spec", Json::MakeObject({{"template", std::move(revision)}}));
  return {&kube::kKnativeService, std::move(service)};
}

void KeepGraphSpelling(const Json* existing, Json& desired) {
  const Json* there = existing ? Arguments(*existing) : nullptr;
  if (!there || !Arguments(desired)) return;
  Json& text = desired.Path({"spec", "template", "spec", "containers"})
                   .MutableArray()[0]
                   .Ref("args")
                   .MutableArray()[1];
  auto old_graph = Json::Parse((*there)[1].AsString());
  auto new_graph = Json::Parse(text.AsString());
  if (old_graph && new_graph && *old_graph == *new_graph) text = (*there)[1];
}

Result<std::string> MakeGraphUrl(const api::InferenceGraph& graph,
                                 const api::IngressConfig& config) {
  api::InferenceService named;
  named.metadata = graph.metadata;
  named.metadata.Ref("labels").Set(api::label::kInferenceGraph, graph.name());
  auto host = MakeHost(graph.name(), named, config);
  if (!host) return Unexpected(host.error().WithContext("failed creating host name"));
  return "http://" + *host;
}

std::vector<std::string> FindDanglingSteps(const api::InferenceGraphSpec& spec) {
  std::vector<std::string> out;
  for (const auto& [name, node] : spec.nodes) {
    for (size_t i = 0; i < node.steps.size(); ++i) {
      const std::string& target = node.steps[i].node_name;
      if (target.empty() || spec.nodes.contains(target)) continue;
      if (out.size() == kMaxDanglingSteps) return out;
      out.push_back(fmt::format(
          "step {} of node {} leads to node {}, which the graph does not have", i, name, target));
    }
  }
  return out;
}

}  // namespace kinglet::control
