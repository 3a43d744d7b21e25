#include "control/inferenceservice/cluster.h"

#include <algorithm>

#include "api/constants.h"
#include "base/log.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

kube::InformerOptions OfInferenceServices() {
  return {.label_selector = std::string(api::label::kInferenceService),
          .transform = [](Json& object) { object.Ref("metadata").Erase("managedFields"); }};
}

kube::InformerOptions Slim() {
  return {.transform = [](Json& object) { object.Ref("metadata").Erase("managedFields"); }};
}

kube::InformerOptions OneConfigMap(const std::string& ns) {
  return {.ns = ns, .field_selector = fmt::format("metadata.name={}", api::kConfigMapName)};
}

// What of an object is ours: all but its status and what the server counts.
std::string Fingerprint(const Json& object) {
  Json ours = object;
  ours.Erase("status");
  if (Json* metadata = ours.Find("metadata")) {
    for (auto field :
         {"resourceVersion", "generation", "managedFields", "creationTimestamp", "selfLink"}) {
      metadata->Erase(field);
    }
    // Written by the Deployment controller.
    if (Json* annotations = metadata->Find("annotations")) {
      annotations->Erase("deployment.kubernetes.io/revision");
      if (annotations->empty()) metadata->Erase("annotations");
    }
  }
  // Written by autoscalers.
  if (Json* spec = ours.Find("spec")) spec->Erase("replicas");
  return ours.Dump();
}

Json MergeMetadata(const Json& existing, const Json& desired) {
  Json metadata = existing["metadata"];
  for (auto field : {"labels", "annotations"}) {
    for (const auto& [key, value] : desired["metadata"][field].AsObject()) {
      metadata.Ref(field).Set(key, value);
    }
  }
  metadata.Set("ownerReferences", desired["metadata"]["ownerReferences"]);
  return metadata;
}

// Whether an object has all that is wished; what a server adds to it does not count.
bool Covers(const Json& existing, const Json& wish) {
  if (wish.IsObject()) {
    return std::ranges::all_of(wish.AsObject(), [&](const auto& member) {
      return Covers(existing[member.first], member.second);
    });
  }
  if (wish.IsArray()) {
    if (existing.size() != wish.size()) return false;
    for (size_t i = 0; i < wish.size(); ++i) {
      if (!Covers(existing[i], wish[i])) return false;
    }
    return true;
  }
  return existing == wish;
}

// As KServe does: labels and annotations of these follow only with their specs.
bool IsAsWished(const Json& existing, const Json& desired) {
  const std::string& kind = kube::Kind(desired);
  if (kind == "Service") return Covers(existing["spec"], desired["spec"]);
  if (kind == "Ingress") return existing["spec"] == desired["spec"];
  if (kind != "HorizontalPodAutoscaler") return false;
  return Covers(existing["spec"], desired["spec"]) &&
         kube::Annotation(existing, api::annotation::kAutoscalerClass) ==
             kube::Annotation(desired, api::annotation::kAutoscalerClass);
}

// Which parts of an existing object give way to the wish; the rest belongs to others.
Json MergeExisting(const Json& existing, const Json& desired) {
  if (kube::ControllerOf(existing) && IsAsWished(existing, desired)) return existing;
  Json merged = existing;
  merged.Set("metadata", MergeMetadata(existing, desired));
  const std::string& kind = kube::Kind(desired);
  if (kind == "ConfigMap") return merged;  // its data is written by TrainedModels
  if (kind == "Service") {
    for (const auto& [key, value] : desired["spec"].AsObject()) merged.Ref("spec").Set(key, value);
    return merged;
  }
  Json spec = desired["spec"];
  if (kind == "Deployment") {
    constexpr std::string_view kRestartedAt = "kubectl.kubernetes.io/restartedAt";
    if (!spec.Has("replicas")) spec.Set("replicas", existing["spec"]["replicas"]);
    const Json& restarted =
        existing.At({"spec", "template", "metadata", "annotations", kRestartedAt});
    if (restarted.IsString()) {
      spec.Path({"template", "metadata", "annotations", kRestartedAt}) = restarted;
    }
  }
  merged.Set("spec", std::move(spec));
  return merged;
}

std::string ChildKey(const kube::ResourceType& type, const kube::ObjectKey& key) {
  return fmt::format("{}/{}", type.kind, key.ToString());
}

}  // namespace

Cluster::Cluster(kube::Client& client, std::string config_namespace, const Clock& clock)
    : client_(client),
      config_namespace_(std::move(config_namespace)),
      inference_services_(client, kube::kInferenceService, Slim(), clock),
      deployments_(client, kube::kDeployment, OfInferenceServices(), clock),
      services_(client, kube::kService, OfInferenceServices(), clock),
      autoscalers_(client, kube::kHorizontalPodAutoscaler, OfInferenceServices(), clock),
      ingresses_(client, kube::kIngress, Slim(), clock),
      http_routes_(client, kube::kHttpRoute, Slim(), clock),
      pods_(client, kube::kPod, OfInferenceServices(), clock),
      runtimes_(client, kube::kServingRuntime, Slim(), clock),
      cluster_runtimes_(client, kube::kClusterServingRuntime, Slim(), clock),
      storage_containers_(client, kube::kClusterStorageContainer, Slim(), clock),
      config_(client, kube::kConfigMap, OneConfigMap(config_namespace_), clock) {
  for (auto* informer : {&deployments_, &services_, &autoscalers_, &ingresses_, &http_routes_}) {
    informer->AddIndex("owner", kube::IndexByControllerUid);
  }
  pods_.AddIndex("app", kube::IndexByLabel(std::string(api::label::kApp)));
}

void Cluster::Start(std::stop_token stop) {
  for (auto* informer :
       {&inference_services_, &deployments_, &services_, &autoscalers_, &ingresses_, &pods_,
        &runtimes_, &cluster_runtimes_, &storage_containers_, &config_}) {
    informer->Start(stop);
  }
}

bool Cluster::WaitForSync(Deadline deadline, std::stop_token stop) {
  return std::ranges::all_of(
      std::vector{&inference_services_, &deployments_, &services_, &autoscalers_, &ingresses_,
                  &pods_, &runtimes_, &cluster_runtimes_, &storage_containers_, &config_},
      [&](kube::Informer* informer) { return informer->WaitForSync(deadline, stop); });
}

std::shared_ptr<const api::Config> Cluster::ReadConfig() {
  kube::ObjectPtr object =
      config_.Get({.ns = config_namespace_, .name = std::string(api::kConfigMapName)});
  const std::string version = object ? kube::ResourceVersion(*object) : "";
  auto parsed = parsed_config_.Acquire();
  if (parsed->config && parsed->version == version) return parsed->config;
  parsed->config = std::make_shared<const api::Config>(api::ParseConfig(object ? *object : Json()));
  parsed->version = version;
  for (const auto& warning : parsed->config->warnings) {
    LogWarning("inferenceservice-config", {{"warning", warning}});
  }
  return parsed->config;
}

std::vector<api::ServingRuntime> Cluster::Runtimes(std::string_view ns) {
  std::vector<api::ServingRuntime> out;
  auto add = [&](const std::vector<kube::ObjectPtr>& objects) {
    for (const auto& object : objects) {
      auto runtime = api::Decode<api::ServingRuntime>(*object);
      if (runtime) {
        out.push_back(*std::move(runtime));
      } else {
        LogWarning("a serving runtime is left out", {{"name", kube::KeyOf(*object).ToString()},
                                                     {"error", runtime.error().message()}});
      }
    }
  };
  add(runtimes_.List(ns));
  add(cluster_runtimes_.List());
  return out;
}

std::vector<api::ClusterStorageContainer> Cluster::StorageContainers() {
  std::vector<api::ClusterStorageContainer> out;
  for (const auto& object : storage_containers_.List()) {
    auto container = api::Decode<api::ClusterStorageContainer>(*object);
    if (container) out.push_back(*std::move(container));
  }
  return out;
}

std::vector<std::string> Cluster::LegacyServices(std::string_view ns) {
  std::vector<std::string> out;
  for (const auto& service : services_.List(ns)) {
    if (kube::Name(*service).ends_with("-default")) out.push_back(kube::Name(*service));
  }
  return out;
}

std::vector<kube::ObjectPtr> Cluster::PodsOf(std::string_view ns, std::string_view component) {
  auto pods = pods_.ByIndex("app", fmt::format("isvc.{}", component));
  std::erase_if(pods, [&](const auto& pod) { return kube::Namespace(*pod) != ns; });
  return pods;
}

kube::Informer* Cluster::InformerOf(const kube::ResourceType& type) {
  for (auto* informer : {&deployments_, &services_, &autoscalers_, &ingresses_, &http_routes_}) {
    if (informer->type() == type) return informer;
  }
  return nullptr;
}

Status Cluster::Apply(const Json& owner, const DesiredObject& desired) {
  Json object = desired.object;
  KINGLET_RETURN_IF_ERROR(kube::SetControllerReference(object, owner));
  const kube::ObjectKey key = kube::KeyOf(object);
  const std::string id = ChildKey(*desired.type, key);
  std::string wish = object.Dump();
  kube::Informer* informer = InformerOf(*desired.type);
  kube::ObjectPtr seen = informer ? informer->Get(key) : nullptr;
  if (seen) {
    std::string result = Fingerprint(*seen);
    bool same = applied_.With([&](auto& applied) {
      auto it = applied.find(id);
      return it != applied.end() && it->second.wish == wish && it->second.result == result;
    });
    if (same) return {};
  }
  kube::CreateOrUpdateOptions options;
  options.merge = MergeExisting;
  options.check_controller = true;
  auto outcome = kube::CreateOrUpdate(client_, *desired.type, object, options);
  if (!outcome) {
    return Unexpected(
        outcome.error().WithContext(fmt::format("{} {}", desired.type->kind, key.name)));
  }
  if (outcome->what != kube::Applied::kUnchanged) {
    LogInfo("child applied", {{"kind", desired.type->kind},
                              {"name", key.ToString()},
                              {"what", kube::AppliedText(outcome->what)}});
  }
  applied_.With([&](auto& applied) {
    applied[id] = {kube::KeyOf(owner), std::move(wish), Fingerprint(outcome->object)};
  });
  return {};
}

void Cluster::Forget(const kube::ObjectKey& owner) {
  applied_.With([&](auto& applied) {
    std::erase_if(applied, [&](const auto& entry) { return entry.second.owner == owner; });
  });
}

Status Cluster::DeleteOthers(const Json& owner, const std::vector<DesiredObject>& wanted) {
  for (auto* informer : {&deployments_, &services_, &autoscalers_, &ingresses_, &http_routes_}) {
    for (const auto& object : informer->ByIndex("owner", kube::Uid(owner))) {
      bool keep = std::ranges::any_of(wanted, [&](const DesiredObject& other) {
        return *other.type == informer->type() && kube::KeyOf(other.object) == kube::KeyOf(*object);
      });
      if (keep || kube::IsDeleting(*object)) continue;
      LogInfo("child deleted",
              {{"kind", informer->type().kind}, {"name", kube::KeyOf(*object).ToString()}});
      KINGLET_RETURN_IF_ERROR(
          client_.DeleteIfExists(informer->type(), kube::KeyOf(*object),
                                 {.propagation = kube::DeleteOptions::Propagation::kBackground,
                                  .uid = kube::Uid(*object)}));
      applied_.With(
          [&](auto& applied) { applied.erase(ChildKey(informer->type(), kube::KeyOf(*object))); });
    }
  }
  return {};
}

}  // namespace kinglet::control
