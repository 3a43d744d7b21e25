#include <fmt/format.h>

#include <set>

#include "kube/selector.h"
#include "local/apiserver/api.h"
#include "local/apiserver/checks/checks.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

using Errors = std::vector<FieldError>;

void Immutable(const Json& object, const Json* old, std::initializer_list<std::string_view> path,
               Errors& errors) {
  if (!old || object.At(path) == old->At(path)) return;
  std::string text;
  for (std::string_view key : path) {
    if (!text.empty()) text += ".";
    text += key;
  }
  errors.push_back(InvalidValue(text, object.At(path), "field is immutable"));
}

void CheckWorkload(const Json& object, const Json* old, Errors& errors) {
  const Json& spec = object["spec"];
  const Json& selector = spec["selector"];
  if (!selector.IsObject()) {
    errors.push_back(RequiredValue("spec.selector"));
  } else if (selector["matchLabels"].empty() && selector["matchExpressions"].empty()) {
    errors.push_back(
        InvalidValue("spec.selector", selector, "empty selector is invalid for deployment"));
  } else {
    auto parsed = kube::LabelSelector::FromJson(selector);
    const Json& labels = spec.At({"template", "metadata", "labels"});
    if (!parsed) {
      errors.push_back(InvalidValue("spec.selector", selector, parsed.error().message()));
    } else if (!parsed->Matches(labels)) {
      errors.push_back(InvalidValue("spec.template.metadata.labels",
                                    labels.IsNull() ? Json::MakeObject() : labels,
                                    "`selector` does not match template `labels`"));
    }
  }
  if (spec["replicas"].AsInt() < 0) {
    errors.push_back(
        InvalidValue("spec.replicas", spec["replicas"], "must be greater than or equal to 0"));
  }
  if (!spec["template"].IsObject()) {
    errors.push_back(RequiredValue("spec.template"));
    return;
  }
  const Json& pod = spec.At({"template", "spec"});
  ValidatePodSpec(pod, "spec.template.spec", errors);
  const std::string& restart = pod["restartPolicy"].AsString();
  if (!restart.empty() && restart != "Always") {
    errors.push_back(UnsupportedValue("spec.template.spec.restartPolicy", restart, {"Always"}));
  }
  Immutable(object, old, {"spec", "selector"}, errors);
}

void CheckJob(const Json& object, const Json* old, Errors& errors) {
  const Json& pod = object.At({"spec", "template", "spec"});
  ValidatePodSpec(pod, "spec.template.spec", errors);
  const std::string& restart = pod["restartPolicy"].AsString();
  if (restart == "Always") {
    errors.push_back(
        UnsupportedValue("spec.template.spec.restartPolicy", restart, {"OnFailure", "Never"}));
  }
  Immutable(object, old, {"spec", "selector"}, errors);
  Immutable(object, old, {"spec", "template"}, errors);
  Immutable(object, old, {"spec", "completions"}, errors);
}

void CheckService(const Json& object, Errors& errors) {
  const Json& spec = object["spec"];
  const std::string& type = spec["type"].AsString();
  bool external = type == "ExternalName";
  if (external && spec["externalName"].AsString().empty()) {
    errors.push_back(RequiredValue("spec.externalName"));
  }
  if (spec["ports"].empty() && !external && spec["clusterIP"].AsString() != "None") {
    errors.push_back(RequiredValue("spec.ports"));
  }
  if (type != "ClusterIP" && type != "NodePort" && type != "LoadBalancer" && !external) {
    errors.push_back(UnsupportedValue("spec.type", type,
                                      {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}));
  }
  std::set<std::string> names, pairs;
  for (size_t i = 0; i < spec["ports"].size(); ++i) {
    const Json& port = spec["ports"][i];
    std::string path = fmt::format("spec.ports[{}]", i);
    int64_t number = port["port"].AsInt();
    if (number < 1 || number > 65535) {
      errors.push_back(
          InvalidValue(path + ".port", port["port"], "must be between 1 and 65535, inclusive"));
    }
    const std::string& name = port["name"].AsString();
    if (name.empty() && spec["ports"].size() > 1) {
      errors.push_back(RequiredValue(path + ".name"));
    } else if (!name.empty()) {
      if (std::string why = CheckLabel(name); !why.empty()) {
        errors.push_back(InvalidValue(path + ".name", name, why));
      }
      if (!names.insert(name).second) errors.push_back(DuplicateValue(path + ".name", name));
    }
    if (!pairs.insert(port["protocol"].AsString() + std::to_string(number)).second) {
      errors.push_back(DuplicateValue(
          path, Json::MakeObject({{"protocol", port["protocol"]}, {"port", port["port"]}})));
    }
  }
}

void CheckHpa(const Json& object, Errors& errors) {
  const Json& spec = object["spec"];
  if (spec["maxReplicas"].AsInt() < 1) {
    errors.push_back(
        InvalidValue("spec.maxReplicas", spec["maxReplicas"], "must be greater than 0"));
  }
  if (spec["minReplicas"].AsInt() > spec["maxReplicas"].AsInt()) {
    errors.push_back(InvalidValue("spec.maxReplicas", spec["maxReplicas"],
                                  "must be greater than or equal to `minReplicas`"));
  }
  for (const char* key : {"kind", "name"}) {
    if (spec["scaleTargetRef"][key].AsString().empty()) {
      errors.push_back(RequiredValue(std::string("spec.scaleTargetRef.") + key));
    }
  }
}

void CheckConfig(const Json& object, const Json* old, Errors& errors) {
  if (!old || !(*old)["immutable"].AsBool()) return;
  for (const char* key : {"data", "binaryData"}) {
    if (!(object[key] == (*old)[key])) {
      errors.push_back(ForbiddenValue(key, "field is immutable when `immutable` is set"));
    }
  }
  if (!object["immutable"].AsBool()) {
    errors.push_back(ForbiddenValue("immutable", "field is immutable when `immutable` is set"));
  }
}

}  // namespace

void ValidateBuiltin(const Resource& resource, const Json& object, const Json* old,
                     Errors& errors) {
  const std::string& kind = resource.kind;
  if (kind == "Pod") {
    if (old) {
      ValidatePodUpdate(object, *old, errors);
    } else {
      ValidatePodSpec(object["spec"], "spec", errors);
    }
  } else if (kind == "Deployment" || kind == "ReplicaSet") {
    CheckWorkload(object, old, errors);
  } else if (kind == "Job") {
    CheckJob(object, old, errors);
  } else if (kind == "Service") {
    CheckService(object, errors);
  } else if (kind == "HorizontalPodAutoscaler") {
    CheckHpa(object, errors);
  } else if (kind == "ConfigMap" || kind == "Secret") {
    CheckConfig(object, old, errors);
  }
  if (kind == "Secret") Immutable(object, old, {"type"}, errors);
}

}  // namespace kinglet::local
