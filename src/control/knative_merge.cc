#include "control/knative_merge.h"

#include "kube/object.h"

namespace kinglet::control {

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
  // Knative's defaulter turns service links off; leaving them open is no wish to turn them on.
  const Json& links = existing.At({"spec", "template", "spec", "enableServiceLinks"});
  if (links.IsBool() && !links.AsBool() && revision["spec"]["enableServiceLinks"].IsNull()) {
    revision.Path({"spec", "enableServiceLinks"}) = false;
  }
  Json& spec = merged.Ref("spec");
  spec.Set("template", std::move(revision));
  spec.Set("traffic", desired["spec"]["traffic"]);
  return merged;
}

}  // namespace kinglet::control
