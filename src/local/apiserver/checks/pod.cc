#include <fmt/format.h>

#include <set>

#include "local/apiserver/checks/checks.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

using Errors = std::vector<FieldError>;

std::string At(const std::string& path, size_t index) { return fmt::format("{}[{}]", path, index); }

void CheckPort(const Json& port, const std::string& path, Errors& errors) {
  int64_t number = port.AsInt();
  if (number < 1 || number > 65535) {
    errors.push_back(InvalidValue(path, port, "must be between 1 and 65535, inclusive"));
  }
}

void CheckProbe(const Json& probe, const std::string& path, Errors& errors) {
  if (!probe.IsObject()) return;
  int handlers = 0;
  for (const char* kind : {"exec", "httpGet", "tcpSocket", "grpc"}) handlers += probe.Has(kind);
  if (handlers == 0) errors.push_back(RequiredValue(path, "must specify a handler type"));
  if (handlers > 1) {
    errors.push_back(ForbiddenValue(path, "may not specify more than 1 handler type"));
  }
  for (const char* key : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                          "successThreshold", "failureThreshold"}) {
    if (probe[key].AsInt() < 0) {
      errors.push_back(
          InvalidValue(path + "." + key, probe[key], "must be greater than or equal to 0"));
    }
  }
}

void CheckContainer(const Json& container, const std::string& path,
                    const std::set<std::string>& volumes, std::set<std::string>& names,
                    Errors& errors) {
  const std::string& name = container["name"].AsString();
  if (name.empty()) {
    errors.push_back(RequiredValue(path + ".name"));
  } else if (std::string why = CheckLabel(name); !why.empty()) {
    errors.push_back(InvalidValue(path + ".name", name, why));
  } else if (!names.insert(name).second) {
    errors.push_back(DuplicateValue(path + ".name", name));
  }
  if (container["image"].AsString().empty()) errors.push_back(RequiredValue(path + ".image"));
  for (size_t i = 0; i < container["ports"].size(); ++i) {
    CheckPort(container["ports"][i]["containerPort"], At(path + ".ports", i) + ".containerPort",
              errors);
  }
  for (size_t i = 0; i < container["env"].size(); ++i) {
    const Json& variable = container["env"][i];
    std::string at = At(path + ".env", i);
    if (variable["name"].AsString().empty()) errors.push_back(RequiredValue(at + ".name"));
    if (!variable["value"].AsString().empty() && variable.Has("valueFrom")) {
      errors.push_back(
          InvalidValue(at + ".valueFrom", "", "may not be specified when `value` is not empty"));
    }
  }
  std::set<std::string> mounts;
  for (size_t i = 0; i < container["volumeMounts"].size(); ++i) {
    const Json& mount = container["volumeMounts"][i];
    std::string at = At(path + ".volumeMounts", i);
    if (!volumes.contains(mount["name"].AsString())) {
      errors.push_back(NotFoundValue(at + ".name", mount["name"]));
    }
    const std::string& where = mount["mountPath"].AsString();
    if (where.empty()) {
      errors.push_back(RequiredValue(at + ".mountPath"));
    } else if (!mounts.insert(where).second) {
      errors.push_back(InvalidValue(at + ".mountPath", where, "must be unique"));
    }
  }
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    CheckProbe(container[probe], path + "." + probe, errors);
  }
}

}  // namespace

void ValidatePodSpec(const Json& spec, const std::string& path, Errors& errors) {
  std::set<std::string> volumes, names;
  for (size_t i = 0; i < spec["volumes"].size(); ++i) {
    const std::string& name = spec["volumes"][i]["name"].AsString();
    std::string at = At(path + ".volumes", i) + ".name";
    if (name.empty()) {
      errors.push_back(RequiredValue(at));
    } else if (std::string why = CheckLabel(name); !why.empty()) {
      errors.push_back(InvalidValue(at, name, why));
    } else if (!volumes.insert(name).second) {
      errors.push_back(DuplicateValue(at, name));
    }
  }
  if (spec["containers"].empty()) errors.push_back(RequiredValue(path + ".containers"));
  for (const char* key : {"containers", "initContainers"}) {
    for (size_t i = 0; i < spec[key].size(); ++i) {
      CheckContainer(spec[key][i], At(path + "." + key, i), volumes, names, errors);
    }
  }
  auto one_of = [&](const char* key, std::vector<std::string> allowed) {
    const std::string& value = spec[key].AsString();
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      errors.push_back(UnsupportedValue(path + "." + key, value, allowed));
    }
  };
  one_of("restartPolicy", {"Always", "OnFailure", "Never"});
  one_of("dnsPolicy", {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"});
}

// Only what Kubernetes lets change in a pod.
void ValidatePodUpdate(const Json& object, const Json& old, Errors& errors) {
  auto fixed = [](const Json& pod) {
    Json spec = pod["spec"];
    for (const char* key : {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations",
                            "schedulingGates", "ephemeralContainers"}) {
      spec.Erase(key);
    }
    for (const char* key : {"containers", "initContainers"}) {
      Json* containers = spec.Find(key);
      if (!containers || !containers->IsArray()) continue;
      for (Json& container : containers->MutableArray()) container.Erase("image");
    }
    return spec;
  };
  Json now = fixed(object), before = fixed(old);
  // There is no scheduler and no binding: the kubelet writes the node.
  if (before["nodeName"].AsString().empty()) now.Erase("nodeName"), before.Erase("nodeName");
  if (!(now == before)) {
    errors.push_back(
        ForbiddenValue("spec",
                       "pod updates may not change fields other than `spec.containers[*].image`, "
                       "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, "
                       "`spec.terminationGracePeriodSeconds`, `spec.tolerations`"));
  }
}

}  // namespace kinglet::local
