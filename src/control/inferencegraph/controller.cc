#include "control/inferencegraph/controller.h"

#include "api/constants.h"
#include "api/core_types.h"
#include "base/log.h"
#include "control/inferencegraph/router.h"
#include "control/inferencegraph/status.h"
#include "control/lazy_watches.h"
#include "control/predictor_endpoint.h"
#include "control/watched_config.h"
#include "kube/apply.h"
#include "kube/conditions.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

using kube::ObjectKey;
using kube::ReconcileResult;

constexpr std::string_view kEventSource = "InferenceGraphController";
constexpr std::string_view kEndpoint = "endpoint", kProblem = "problem";
constexpr std::string_view kByService = "service";
// How long a graph waits for Knative to be installed before it looks again.
constexpr Duration kKnativePause = std::chrono::seconds(30);

kube::InformerOptions Whole() { return {.transform = kube::DropManagedFields}; }

kube::InformerOptions OfGraphs() {
  return {.label_selector = std::string(api::label::kInferenceGraph),
          .transform = kube::DropManagedFields};
}

// Knative Services of graphs have no label of ours: of the others nothing is kept but the names.
kube::InformerOptions KnativeServicesOfGraphs() {
  return {.transform = [](Json& object) {
    kube::DropManagedFields(object);
    const Json* owner = kube::ControllerOf(object);
    if (owner && (*owner)["kind"].AsString() == kube::kInferenceGraph.kind) return;
    object.Erase("spec");
    object.Erase("status");
  }};
}

// Of an InferenceService only where it takes requests, or why not.
void KeepEndpoint(Json& object) {
  auto isvc = api::Decode<api::InferenceService>(object);
  auto endpoint = isvc ? PredictorEndpoint(*isvc) : Result<std::string>(Unexpected(isvc.error()));
  object = kube::Identity(object);
  object.Set(endpoint ? kEndpoint : kProblem, endpoint ? *endpoint : endpoint.error().message());
}

std::string ServiceKey(std::string_view ns, std::string_view name) {
  return fmt::format("{}/{}", ns, name);
}

std::vector<std::string> ServicesOf(const Json& graph) {
  std::vector<std::string> out;
  for (const auto& [name, node] : graph["spec"]["nodes"].AsObject()) {
    for (const Json& step : node["steps"].AsArray()) {
      const std::string& service = step["serviceName"].AsString();
      if (!service.empty()) out.push_back(ServiceKey(kube::Namespace(graph), service));
    }
  }
  return out;
}

// Annotation, then default. Unknown texts give the default; what is not Standard is Knative's.
bool IsStandard(const api::InferenceGraph& graph, api::Mode fallback) {
  auto mode =
      api::ParseMode(graph.metadata["annotations"][api::annotation::kDeploymentMode].AsString());
  return mode.value_or(fallback) == api::Mode::kRawDeployment;
}

// The sections that this graph needs; only in Standard mode does it get a host of ours.
Status CheckConfig(const api::Config& config, const api::InferenceGraph& graph) {
  if (!config.router) return Unexpected(config.router.error());
  if (!config.deploy) return Unexpected(config.deploy.error());
  if (!config.ingress && IsStandard(graph, config.deploy->mode)) {
    return Unexpected(config.ingress.error());
  }
  return {};
}

}  // namespace

struct InferenceGraphController::Impl {
  Impl(kube::Client& api_client, Options given)
      : client(api_client),
        options(std::move(given)),
        clock(options.clock ? *options.clock : Clock::System()),
        graphs(client, kube::kInferenceGraph, Whole(), clock),
        inference_services(client, kube::kInferenceService, {.transform = KeepEndpoint}, clock),
        deployments(client, kube::kDeployment, OfGraphs(), clock),
        services(client, kube::kService, OfGraphs(), clock),
        autoscalers(client, kube::kHorizontalPodAutoscaler, OfGraphs(), clock),
        knative_services(client, kube::kKnativeService, KnativeServicesOfGraphs(), clock),
        config(client, options.config_namespace, clock),
        children(client, {&deployments, &services, &autoscalers, &knative_services}),
        events(kube::MakeEventRecorder(client, std::string(kEventSource), clock)),
        controller({.name = "inferencegraph",
                    .workers = options.workers,
                    .metrics = options.metrics,
                    .clock = options.clock},
                   [this](const ObjectKey& key, std::stop_token) { return Reconcile(key); }) {
    graphs.AddIndex(std::string(kByService), ServicesOf);
    controller.Watch(graphs);
    auto owner = [](const Json& child) -> std::vector<ObjectKey> {
      const Json* reference = kube::ControllerOf(child);
      if (!reference || (*reference)["kind"].AsString() != kube::kInferenceGraph.kind) return {};
      return {{.ns = kube::Namespace(child), .name = (*reference)["name"].AsString()}};
    };
    controller.WatchOptional(deployments, owner);
    controller.WatchOptional(services, owner, kube::GenerationChanged);
    controller.WatchOptional(autoscalers, owner, kube::GenerationChanged);
    controller.WatchOptional(knative_services, owner, {}, [this] { return AllGraphs(); });
    controller.WatchOptional(
        inference_services, [this](const Json& service) { return GraphsWith(service); },
        [](const Json* before, const Json* after) {
          return !before || !after || (*before)[kEndpoint] != (*after)[kEndpoint];
        });
    controller.WatchPaced(config.informer(), [this](const Json&) { return AllGraphs(); });
  }

  std::vector<ObjectKey> AllGraphs() {
    std::vector<ObjectKey> keys;
    for (const auto& graph : graphs.List()) keys.push_back(kube::KeyOf(*graph));
    return keys;
  }

  std::vector<ObjectKey> GraphsWith(const Json& service) {
    std::vector<ObjectKey> keys;
    const std::string key = ServiceKey(kube::Namespace(service), kube::Name(service));
    for (const auto& graph : graphs.ByIndex(kByService, key)) keys.push_back(kube::KeyOf(*graph));
    return keys;
  }

  Result<ReconcileResult> Reconcile(const ObjectKey& key);
  Result<ReconcileResult> ReconcileStandard(Json object, const api::InferenceGraph& graph,
                                            const api::Config& config);
  Result<ReconcileResult> ReconcileKnative(Json object, const api::InferenceGraph& graph,
                                           const api::Config& config);
  Result<ReconcileResult> Stop(Json object);
  // Puts URLs in the place of serviceName.
  Status ResolveServices(api::InferenceGraph& graph);
  Status WriteStatus(const Json& before, const Json& object);
  Error Report(const Json& object, const Error& error, std::string context);

  kube::Client& client;
  const Options options;
  const Clock& clock;
  kube::Informer graphs, inference_services, deployments, services, autoscalers, knative_services;
  WatchedConfig config;
  LazyWatches neighbours;
  ChildApplier children;
  std::unique_ptr<kube::EventRecorder> events;
  kube::Controller controller;  // last: its threads use what is above
};

Result<ReconcileResult> InferenceGraphController::Impl::Reconcile(const ObjectKey& key) {
  kube::ObjectPtr seen = graphs.Get(key);
  if (!seen) {
    children.Forget(key);
    return ReconcileResult::Done();
  }
  // Its children are the garbage collector's.
  if (kube::IsDeleting(*seen)) return ReconcileResult::Done();
  for (auto* informer :
       {&config.informer(), &inference_services, &deployments, &services, &autoscalers}) {
    KINGLET_RETURN_IF_ERROR(neighbours.Need(*informer));
  }
  if (IsGraphStopped(*seen)) return Stop(*seen);

  auto graph = api::DecodeObject<api::InferenceGraph>(kube::kInferenceGraph.kind, *seen);
  if (!graph) {
    events->Warning(*seen, "InternalError", graph.error().message());
    return ReconcileResult::Terminal(graph.error().WithContext("cannot read the InferenceGraph"));
  }
  auto now = config.Read();
  if (auto usable = CheckConfig(*now, *graph); !usable) {
    return Unexpected(Report(*seen, usable.error(), "cannot use the configuration"));
  }
  for (const auto& problem : FindDanglingSteps(graph->spec)) {
    events->Warning(*seen, "InvalidNodeReference", problem);
  }
  if (auto resolved = ResolveServices(*graph); !resolved) {
    // Its change brings the next pass.
    events->Warning(*seen, "ServiceNotReady", resolved.error().message());
    LogInfo("an InferenceGraph waits",
            {{"name", key.ToString()}, {"reason", resolved.error().message()}});
    return ReconcileResult::Done();
  }
  return IsStandard(*graph, now->deploy->mode) ? ReconcileStandard(*seen, *graph, *now)
                                               : ReconcileKnative(*seen, *graph, *now);
}

Status InferenceGraphController::Impl::ResolveServices(api::InferenceGraph& graph) {
  for (auto& [name, node] : graph.spec.nodes) {
    for (auto& step : node.steps) {
      if (step.service_name.empty()) continue;
      kube::ObjectPtr service =
          inference_services.Get({.ns = graph.ns(), .name = step.service_name});
      if (!service) {
        return Fail(Code::kNotFound, "Failed to find graph service {}", step.service_name);
      }
      if (!step.service_url.empty()) continue;
      if (!service->Has(kEndpoint)) {
        return Fail(Code::kUnavailable, "service {} is not ready: {}", step.service_name,
                    (*service)[kProblem].AsString());
      }
      step.service_url = (*service)[kEndpoint].AsString();
    }
  }
  return {};
}

Result<ReconcileResult> InferenceGraphController::Impl::ReconcileStandard(
    Json object, const api::InferenceGraph& graph, const api::Config& config) {
  if (!config.ingress) {
    return Unexpected(Report(object, config.ingress.error(), "cannot use the configuration"));
  }
  auto url = MakeGraphUrl(graph, *config.ingress);
  auto wanted = MakeRouterObjects(graph, config, *config.router);
  constexpr std::string_view kContext = "fails to reconcile inference graph raw deployment";
  if (!url || !wanted) {
    return Unexpected(Report(object, url ? wanted.error() : url.error(), std::string(kContext)));
  }
  const ObjectKey key = kube::KeyOf(object);
  KeepGraphSpelling(deployments.Get(key).get(), wanted->front().object);
  for (const auto& desired : *wanted) {
    if (auto applied = children.Apply(object, desired); !applied) {
      return Unexpected(Report(object, applied.error(), std::string(kContext)));
    }
  }
  // As KServe 0.15: what another mode leaves behind stays until the graph goes; only the autoscaler
  // follows its class.
  auto may_go = [](const kube::ResourceType& type, const Json&) {
    return type == kube::kHorizontalPodAutoscaler;
  };
  KINGLET_RETURN_IF_ERROR(children.DeleteOthers(object, *wanted, may_go));
  const Json before = object;
  if (!SetGraphStatusFromDeployment(object, deployments.Get(key).get(), *url, clock)) {
    return ReconcileResult::Done();  // the Deployment's change brings the next pass
  }
  SetGraphStopped(object, clock);
  KINGLET_RETURN_IF_ERROR(WriteStatus(before, object));
  return ReconcileResult::Done();
}

Result<ReconcileResult> InferenceGraphController::Impl::ReconcileKnative(
    Json object, const api::InferenceGraph& graph, const api::Config& config) {
  KINGLET_TRY(bool served, neighbours.NeedIfServed(knative_services));
  if (!served) {
    events->Warning(object, "ServerlessModeRejected",
                    "It is not possible to use Serverless deployment mode when Knative Services "
                    "are not available");
    LogWarning("Knative Serving is not available, but an InferenceGraph's mode is Serverless",
               {{"name", kube::KeyOf(object).ToString()}});
    return ReconcileResult::After(kKnativePause);
  }
  const ObjectKey key = kube::KeyOf(object);
  std::vector<DesiredObject> wanted = {MakeRouterKnativeService(graph, *config.router)};
  KeepGraphSpelling(knative_services.Get(key).get(), wanted[0].object);
  if (auto applied = children.Apply(object, wanted[0]); !applied) {
    return Unexpected(Report(object, applied.error(), "fails to reconcile inference graph ksvc"));
  }
  const Json before = object;
  SetGraphStatusFromKnativeService(object, knative_services.Get(key).get());
  SetGraphStopped(object, clock);
  KINGLET_RETURN_IF_ERROR(WriteStatus(before, object));
  return ReconcileResult::Done();
}

Result<ReconcileResult> InferenceGraphController::Impl::Stop(Json object) {
  if (auto served = neighbours.NeedIfServed(knative_services); !served) {
    return Unexpected(served.error());
  }
  KINGLET_RETURN_IF_ERROR(children.DeleteOthers(object, {}));
  const Json before = object;
  SetGraphStopped(object, clock);
  KINGLET_RETURN_IF_ERROR(WriteStatus(before, object));
  return ReconcileResult::Done();
}

// A conflict is a race with another writer, not news.
Error InferenceGraphController::Impl::Report(const Json& object, const Error& error,
                                             std::string context) {
  if (error.code() != Code::kAborted) events->Warning(object, "InternalError", error.message());
  return error.WithContext(std::move(context));
}

Status InferenceGraphController::Impl::WriteStatus(const Json& before, const Json& object) {
  if (object["status"] == before["status"]) return {};
  auto written = kube::UpdateStatusWithRetry(client, kube::kInferenceGraph, kube::KeyOf(object),
                                             [&](Json& latest) {
                                               if (latest["status"] == object["status"])
                                                 return false;
                                               latest.Set("status", object["status"]);
                                               return true;
                                             });
  const std::string& name = kube::Name(object);
  if (!written) {
    if (written.error().code() == Code::kNotFound) return {};
    events->Warning(object, "UpdateFailed",
                    fmt::format("Failed to update status for InferenceGraph \"{}\": {}", name,
                                written.error().message()));
    return Unexpected(written.error());
  }
  const bool was_ready = kube::IsConditionTrue(before, "Ready");
  const bool is_ready = kube::IsConditionTrue(object, "Ready");
  if (is_ready && !was_ready) {
    events->Normal(object, "InferenceGraphReady",
                   fmt::format("InferenceGraph [{}] is Ready", name));
  } else if (was_ready && !is_ready) {
    events->Warning(object, "InferenceGraphNotReady",
                    fmt::format("InferenceGraph [{}] is no longer Ready", name));
  }
  return {};
}

InferenceGraphController::InferenceGraphController(kube::Client& client, Options options)
    : impl_(std::make_unique<Impl>(client, std::move(options))) {}

InferenceGraphController::~InferenceGraphController() = default;

void InferenceGraphController::Start(std::stop_token stop) {
  impl_->neighbours.SetStop(stop);
  impl_->graphs.Start(stop);
  impl_->controller.Start(stop);
}

bool InferenceGraphController::WaitForSync(Deadline deadline, std::stop_token stop) {
  return impl_->graphs.WaitForSync(deadline, stop);
}

void InferenceGraphController::Join() { impl_->controller.Join(); }

bool InferenceGraphController::Idle() const { return impl_->controller.Idle(); }

}  // namespace kinglet::control
