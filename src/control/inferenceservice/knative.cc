#include "control/inferenceservice/knative.h"

#include <algorithm>
#include <optional>

#include "api/constants.h"
#include "base/log.h"
#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/children/knative_service.h"
#include "control/inferenceservice/children/virtual_service.h"
#include "control/inferenceservice/knative_status.h"
#include "control/inferenceservice/knative_url.h"
#include "control/inferenceservice/later_status.h"
#include "control/inferenceservice/status.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

using kube::ReconcileResult;

constexpr std::string_view kRejected = "ServerlessModeRejected";
// How long until we ask again whether Knative, or Istio, has come.
constexpr Duration kLookForKnative = std::chrono::seconds(10);
// The first list of Knative Services is under way.
constexpr Duration kAwaitWatch = std::chrono::milliseconds(200);
constexpr Duration kAwaitMeshPredictor = std::chrono::seconds(3);
constexpr Duration kAwaitModelState = std::chrono::seconds(1);

std::vector<ComponentKind> ComponentsOf(const api::InferenceService& isvc, api::Mode mode) {
  std::vector<ComponentKind> kinds;
  if (mode != api::Mode::kModelMesh) kinds.push_back(ComponentKind::kPredictor);
  if (isvc.spec.transformer) kinds.push_back(ComponentKind::kTransformer);
  if (isvc.spec.explainer) kinds.push_back(ComponentKind::kExplainer);
  return kinds;
}

// The rejection of an earlier pass must not outlive its cause.
void ForgetRejection(Json& object) {
  for (auto type : {"PredictorReady", "Ready"}) {
    const Json* condition = kube::FindCondition(object, type);
    if (condition && (*condition)["reason"].AsString() == kRejected) {
      kube::RemoveCondition(object, type);
    }
  }
}

bool IsLegacy(const std::vector<std::string>& services, std::string_view isvc) {
  return std::ranges::find(services, fmt::format("{}-predictor-default", isvc)) != services.end();
}

// Says why there is no way in; false where all is ready.
bool MarkMissing(Json& object, const api::InferenceService& isvc, const Clock& clock) {
  std::vector<ComponentKind> kinds = {ComponentKind::kPredictor};
  if (isvc.spec.transformer) kinds.push_back(ComponentKind::kTransformer);
  if (isvc.spec.explainer) kinds.push_back(ComponentKind::kExplainer);
  for (ComponentKind kind : kinds) {
    if (IsComponentReady(object, kind)) continue;
    const std::string reason = fmt::format("{} ingress not created", ComponentTitle(kind));
    auto conditions = Conditions(object, clock);
    if (kube::IsConditionFalse(object, ReadyType(kind))) {
      conditions.MarkFalse("IngressReady", reason, "");
    } else {
      conditions.MarkUnknown("IngressReady", reason, "");
    }
    return true;
  }
  return false;
}

// Components of which nothing is known yet.
void DropEmptyComponents(Json& object) {
  Json* status = object.Find("status");
  Json* components = status ? status->Find("components") : nullptr;
  if (!components || !components->IsObject()) return;
  std::erase_if(components->MutableObject(),
                [](const auto& entry) { return entry.second.IsObject() && entry.second.empty(); });
  if (components->empty()) status->Erase("components");
  if (status->empty()) object.Erase("status");
}

}  // namespace

// One reconciliation.
struct KnativeReconciler::Pass {
  const Json before;
  Json object;
  api::InferenceService isvc;
  const api::Config& config;
  const api::Mode mode;
  const Decoded<api::ServingRuntime>::Values runtimes;
  const Decoded<api::ClusterStorageContainer>::Values storage_containers;
  const std::vector<std::string> legacy_services;
  std::optional<MeshPredictor> mesh_predictor = {};
  bool waits_for_runtime = false;
  Duration later = Duration::zero();

  ComponentInput Input() const {
    return {config, *runtimes, *storage_containers, legacy_services,
            mesh_predictor ? &*mesh_predictor : nullptr};
  }
};

KnativeReconciler::KnativeReconciler(Parts parts, Options options)
    : parts_(parts), options_(std::move(options)) {}

Result<ReconcileResult> KnativeReconciler::Reject(Json object) {
  constexpr std::string_view kMessage =
      "It is not possible to use Serverless deployment mode when Knative Services are not "
      "available";
  const Json before = object;
  Conditions(object, parts_.clock).MarkFalse("PredictorReady", kRejected, kMessage);
  KeepTransitionTimes(object, before);
  if (object["status"] != before["status"]) {
    parts_.events.Warning(object, kRejected, std::string(kMessage));
    LogWarning("the resolved deployment mode is Serverless, but Knative Serving is not available",
               {{"inferenceservice", kube::KeyOf(object).ToString()}});
  }
  KINGLET_RETURN_IF_ERROR(parts_.status.Write(before, object));
  // Not an error to try again: nothing changes until Knative is installed.
  return ReconcileResult::After(kLookForKnative);
}

Result<ReconcileResult> KnativeReconciler::Reconcile(Json object, api::InferenceService isvc,
                                                     const api::Config& config, api::Mode mode) {
  if (mode == api::Mode::kServerless) {
    const kube::Informer& services = parts_.cluster.knative_services();
    // Services under the old names must be seen before new ones are made.
    if (!services.HasSynced()) return ReconcileResult::After(kAwaitWatch);
    if (!services.KindExists()) return Reject(std::move(object));
  }
  const kube::ObjectKey key = kube::KeyOf(object);
  Pass pass{.before = object,
            .object = std::move(object),
            .isvc = std::move(isvc),
            .config = config,
            .mode = mode,
            .runtimes = parts_.cluster.Runtimes(key.ns),
            .storage_containers = parts_.cluster.StorageContainers(),
            .legacy_services = parts_.cluster.LegacyKnativeServices(key)};
  ForgetRejection(pass.object);
  RecordMode(pass.object, pass.isvc, mode, config);
  SetNotStopped(pass.object, config, parts_.clock);

  const auto kinds = ComponentsOf(pass.isvc, mode);
  for (ComponentKind kind : kinds) {
    auto done = ReconcileComponent(kind, pass);
    if (!done) return EndWithFailure(pass, done.error());
    if (!*done) return ReconcileResult::After(pass.later);
  }
  if (mode == api::Mode::kServerless) SetCrossComponentStatus(pass.object, kinds, parts_.clock);
  if (auto entry = ReconcileEntry(pass); !entry) {
    // Nothing is said in the status, as in KServe.
    if (entry.error().code() != Code::kAborted) {
      parts_.events.Warning(pass.object, "InternalError", entry.error().message());
    }
    Error error = entry.error().WithContext("fails to reconcile ingress");
    // Without Istio's kinds trying again changes nothing until they are installed.
    if (error.code() == Code::kNotFound) {
      LogWarning(
          "no way in can be made",
          {{"inferenceservice", kube::KeyOf(pass.object).ToString()}, {"error", error.message()}});
      return ReconcileResult::After(kLookForKnative);
    }
    return Unexpected(std::move(error));
  }
  if (mode == api::Mode::kModelMesh) {
    KINGLET_RETURN_IF_ERROR(ApplyModelConfig(pass));
    DropEmptyComponents(pass.object);  // what is ModelMesh's is not written for less
  }
  KeepTransitionTimes(pass.object, pass.before);
  KINGLET_RETURN_IF_ERROR(
      parts_.status.Write(pass.before, pass.object, StatusWriter::OnConflict::kFail));
  return ReconcileResult::Done();
}

Result<ReconcileResult> KnativeReconciler::EndWithFailure(Pass& pass, const Error& error) {
  // A conflict is a race with another writer, not news.
  if (error.code() == Code::kAborted) return Unexpected(error);
  parts_.events.Warning(pass.object, "InternalError", error.message());
  KeepTransitionTimes(pass.object, pass.before);
  KINGLET_RETURN_IF_ERROR(
      parts_.status.Write(pass.before, pass.object, StatusWriter::OnConflict::kFail));
  Error all = error.WithContext("fails to reconcile component");
  // What no runtime serves is tried again when a runtime changes.
  if (pass.waits_for_runtime) return ReconcileResult::Terminal(std::move(all));
  return Unexpected(std::move(all));
}

Status KnativeReconciler::ApplyModelConfig(const Pass& pass) {
  if (!api::IsMultiModel(pass.isvc.spec.predictor)) return {};
  return parts_.cluster.children().Apply(pass.object,
                                         {&kube::kConfigMap, MakeModelConfig(pass.isvc)});
}

Result<bool> KnativeReconciler::ReconcileComponent(ComponentKind kind, Pass& pass) {
  if (!pass.config.inference_service) return Unexpected(pass.config.inference_service.error());
  if (kind == ComponentKind::kPredictor) KINGLET_RETURN_IF_ERROR(ApplyModelConfig(pass));
  if (kind == ComponentKind::kTransformer && pass.mode == api::Mode::kModelMesh) {
    KINGLET_TRY(bool known, FindMeshPredictor(pass));
    if (!known) return false;
  }
  auto plan = PlanComponent(kind, pass.isvc, pass.Input());
  if (!plan) {
    const ModelFailure& failure = plan.error();
    if (!failure.reason.empty()) {
      SetModelFailure(pass.object, failure);
      pass.waits_for_runtime = true;
    }
    return Unexpected(failure.error);
  }
  if (kind == ComponentKind::kPredictor) {
    parts_.runtime_users.Set(kube::KeyOf(pass.object), RuntimeOf(*plan, pass.isvc.ns()));
    RecordRuntime(pass.object, plan->runtime, plan->cluster_runtime, pass.config);
  }
  const Json& status = pass.object["status"]["components"][ComponentName(kind)];
  auto applied = parts_.cluster.children().Apply(
      pass.object,
      {&kube::kKnativeService,
       MakeKnativeService(*plan, pass.isvc.ns(),
                          pass.config.inference_service->service_label_disallowed_list, status)});
  if (!applied) {
    return Unexpected(
        applied.error().WithContext(fmt::format("fails to reconcile {}", ComponentName(kind))));
  }
  kube::ObjectPtr service =
      parts_.cluster.knative_services().Get({.ns = pass.isvc.ns(), .name = plan->name});
  const Json said = service ? (*service)["status"] : Json();
  SetKnativeComponentStatus(pass.object, kind, said, parts_.clock);
  if (kind == ComponentKind::kTransformer && pass.mesh_predictor) {
    // What comes after the transformer bears where ModelMesh's predictor is.
    Json& annotations = pass.isvc.metadata.Ref("annotations");
    annotations.Set(api::annotation::kPredictorHost, pass.mesh_predictor->host);
    annotations.Set(api::annotation::kPredictorProtocol, pass.mesh_predictor->protocol);
  }
  if (kind != ComponentKind::kPredictor) return true;

  const Json& predictor = pass.object["status"]["components"]["predictor"];
  const std::string& created = predictor["latestCreatedRevision"].AsString();
  KINGLET_TRY(const auto pods, parts_.cluster.PodsOfRevision(
                                   pass.isvc.ns(), created, IsComponentDecided(pass.object, kind)));
  pass.later = kAwaitModelState;
  return SetModelStatus(pass.object,
                        {.pods = pods,
                         .failed = HasFailed(said),
                         .is_newest = created == predictor["latestReadyRevision"].AsString()});
}

Result<bool> KnativeReconciler::FindMeshPredictor(Pass& pass) {
  const std::string& url = pass.object.At({"status", "components", "predictor", "url"}).AsString();
  if (url.empty()) {
    pass.later = kAwaitMeshPredictor;
    return false;
  }
  const std::string_view scheme = std::string_view(url).substr(0, url.find(':'));
  MeshPredictor predictor{.host = std::string(HostOfUrl(url))};
  if (scheme == "grpc") {
    predictor.protocol = "grpc-v2";
  } else if (scheme == "http" || scheme == "https") {
    predictor.protocol = "v2";
  } else {
    return Fail(Code::kInvalidArgument, "Predictor URL Scheme not supported: {}", scheme);
  }
  pass.mesh_predictor = std::move(predictor);
  return true;
}

Status KnativeReconciler::ReconcileEntry(Pass& pass) {
  if (!pass.config.ingress) return Unexpected(pass.config.ingress.error());
  const api::IngressConfig& ingress = *pass.config.ingress;
  const ComponentKind front =
      pass.isvc.spec.transformer ? ComponentKind::kTransformer : ComponentKind::kPredictor;
  std::string component_url =
      pass.object.At({"status", "components", ComponentName(front), "url"}).AsString();
  if (component_url.empty()) return {};
  component_url = WithScheme(component_url, ingress.url_scheme);
  pass.object.Path({"status", "components", ComponentName(front), "url"}) = component_url;

  const bool by_component = ingress.disable_istio_virtual_host;
  std::string url = by_component ? component_url : WithoutComponent(component_url, front);
  if (!ingress.path_template.empty()) {
    auto path = MakePath(pass.isvc, ingress);
    if (!path) {
      LogError("no URL can be made of pathTemplate", {{"error", path.error().message()}});
      return {};
    }
    url = fmt::format("{}://{}{}", ingress.url_scheme, ingress.ingress_domain, *path);
  }
  const std::string service_host = WithoutComponent(std::string(HostOfUrl(component_url)), front);
  if (!by_component) {
    if (MarkMissing(pass.object, pass.isvc, parts_.clock)) return {};
    KINGLET_RETURN_IF_ERROR(ApplyVirtualService(pass, service_host));
  }

  std::string name = pass.isvc.name();
  if (by_component) {
    const auto legacy =
        parts_.cluster.LegacyServices({.ns = pass.isvc.ns(), .name = pass.isvc.name()});
    name = fmt::format("{}-{}{}", name, ComponentName(front),
                       IsLegacy(legacy, pass.isvc.name()) ? "-default" : "");
  }
  Json& status = pass.object.Ref("status");
  status.Set("url", url);
  status.Set("address",
             Json::MakeObject({{"url", "http://" + ClusterHost(name, pass.isvc.ns(),
                                                               options_.cluster_domain)}}));
  Conditions(pass.object, parts_.clock).MarkTrue("IngressReady");
  return {};
}

Status KnativeReconciler::ApplyVirtualService(Pass& pass, const std::string& service_host) {
  const api::IngressConfig& ingress = *pass.config.ingress;
  VirtualServiceInput input{.service_host = service_host,
                            .cluster_domain = options_.cluster_domain,
                            .legacy_names = IsLegacy(pass.legacy_services, pass.isvc.name())};
  if (!ingress.additional_ingress_domains.empty()) input.knative_domains = KnativeDomains();
  KINGLET_TRY(Json virtual_service, MakeVirtualService(pass.isvc, pass.config, input));
  auto& children = parts_.cluster.children();
  auto external =
      children.Apply(pass.object, {&kube::kService, MakeExternalNameService(pass.isvc, ingress)});
  if (!external) {
    return Unexpected(external.error().WithContext("fails to reconcile external name service"));
  }
  auto applied = children.Apply(pass.object, {&kube::kVirtualService, std::move(virtual_service)});
  if (!applied) {
    return Unexpected(applied.error().WithContext("fails to create or update ingress"));
  }
  return {};
}

std::vector<std::string> KnativeReconciler::KnativeDomains() {
  std::vector<std::string> domains;
  auto config = parts_.client.Get(kube::kConfigMap,
                                  {.ns = options_.knative_namespace, .name = "config-domain"});
  if (!config) return domains;
  for (const auto& [domain, selector] : (*config)["data"].AsObject()) domains.push_back(domain);
  return domains;
}

}  // namespace kinglet::control
