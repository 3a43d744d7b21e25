#include "control/knative_merge.h"

#include "kube/object.h"

namespace kinglet::control {
namespace {

const Json& RevisionDefaults() {
  static const Json defaults = Json::MakeObject({{"containerConcurrency", 0},
                                                 {"enableServiceLinks", false},
                                                 {"responseStartTimeoutSeconds", 300},
                                                 {"timeoutSeconds", 300}});
  return defaults;
}

const Json& ContainerDefaults() {
  static const Json defaults = Json::MakeObject(
      {{"name", "user-container"},
       {"readinessProbe", Json::MakeObject({{"successThreshold", 1},
                                            {"tcpSocket", Json::MakeObject({{"port", 0}})}})}});
  return defaults;
}

// What Knative's webhook fills in by default where the wish says nothing is no difference from it.
void KeepDefaults(const Json& defaults, const Json& existing, Json& wish) {
  for (const auto& [name, value] : defaults.AsObject()) {
    const Json& said = wish[name];
    const bool nothing = said.IsNull() || (said.IsString() && said.AsString().empty());
    if (nothing && existing[name] == value) wish.Set(name, value);
  }
}

}  // namespace

Json MergeKnativeService(const Json& existing, const Json& desired) {
  Json merged = existing;
  Json& metadata = merged.Ref("metadata");
  metadata.Set("labels", kube::Labels(desired));
  for (std::string_view name : kKnativeServiceAnnotations) {
    const Json& wish = kube::Annotations(desired)[name];
    if (wish.IsString()) {
      metadata.Ref("annotations").Set(name, wish);
    } else if (Json* annotations = metadata.Find("annotations")) {
      annotations->Erase(name);
    }
  }
  Json revision = desired["spec"]["template"];
  const Json& pod = existing.At({"spec", "template", "spec"});
  KeepDefaults(RevisionDefaults(), pod, revision.Path({"spec"}));
  if (Json* containers = revision.Ref("spec").Find("containers");
      containers && containers->IsArray()) {
    for (size_t i = 0; i < containers->size() && i < pod["containers"].size(); ++i) {
      KeepDefaults(ContainerDefaults(), pod["containers"][i], containers->MutableArray()[i]);
    }
  }
  Json& spec = merged.Ref("spec");
  spec.Set("template", std::move(revision));
  spec.Set("traffic", desired["spec"]["traffic"]);
  return merged;
}

}  // namespace kinglet::control
