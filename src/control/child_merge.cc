#include "control/child_merge.h"

#include <algorithm>

#include "api/constants.h"
#include "base/encoding.h"
#include "control/knative_merge.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::control {
namespace {

// Of a Service: given once and for all.
constexpr std::string_view kClusterIp = "clusterIP";

// Labels and annotations of others do not stay on these when they are written, as in KServe.
constexpr std::string_view kReplaced[] = {"HorizontalPodAutoscaler",
                                          "ScaledObject",
                                          "OpenTelemetryCollector",
                                          "Service",
                                          "Ingress",
                                          "HTTPRoute",
                                          "VirtualService"};

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

// Of labels and annotations; none at all is the same as an empty map.
bool HasSameTexts(const Json& existing, const Json& wish) {
  return existing.size() == wish.size() && Covers(existing, wish);
}

// As KServe does: labels and annotations of these follow only with their specs.
bool IsAsWished(const Json& existing, const Json& desired) {
  const std::string& kind = kube::Kind(desired);
  if (kind == "Service") {
    Json wish = desired["spec"];
    wish.Erase(kClusterIp);
    return Covers(existing["spec"], wish);
  }
  if (kind == "Ingress" || kind == "ScaledObject" || kind == "OpenTelemetryCollector") {
    return existing["spec"] == desired["spec"];
  }
  if (kind == "HTTPRoute") return Covers(existing["spec"], desired["spec"]);
  if (kind == "HorizontalPodAutoscaler") {
    return Covers(existing["spec"], desired["spec"]) &&
           HasSameTexts(kube::Labels(existing), kube::Labels(desired)) &&
           HasSameTexts(kube::Annotations(existing), kube::Annotations(desired));
  }
  return false;
}

}  // namespace

std::string ChildFingerprint(const Json& object) {
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
  // Written by autoscalers; with these classes there is none of ours.
  const std::string& scaler = kube::Annotation(object, api::annotation::kAutoscalerClass);
  const bool ours_to_scale = scaler == "none" || scaler == "external";
  if (Json* spec = ours.Find("spec"); spec && !ours_to_scale) spec->Erase("replicas");
  return Sha256(ours.Dump());
}

Json MergeChild(const Json& existing, const Json& desired) {
  if (kube::ApiVersion(desired) == kube::kKnativeService.ApiVersion()) {
    return MergeKnativeService(existing, desired);
  }
  if (kube::ControllerOf(existing) && IsAsWished(existing, desired)) return existing;
  Json merged = existing;
  merged.Set("metadata", MergeMetadata(existing, desired));
  const std::string& kind = kube::Kind(desired);
  if (std::ranges::find(kReplaced, kind) != std::end(kReplaced)) {
    for (auto field : {"labels", "annotations"}) {
      const Json& wish = desired["metadata"][field];
      if (wish.IsNull()) {
        merged.Ref("metadata").Erase(field);
      } else {
        merged.Ref("metadata").Set(field, wish);
      }
    }
  }
  if (kind == "ConfigMap") return merged;  // its data is written by TrainedModels
  if (kind == "Service") {
    for (const auto& [key, value] : desired["spec"].AsObject()) {
      if (key != kClusterIp) merged.Ref("spec").Set(key, value);
    }
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

}  // namespace kinglet::control
