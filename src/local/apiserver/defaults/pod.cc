#include "kube/quantity.h"
#include "local/apiserver/defaults/defaults.h"

namespace kinglet::local {
namespace {

void DefaultProbe(Json& probe) {
  if (!probe.IsObject()) return;
  Default(probe, "timeoutSeconds", 1);
  Default(probe, "periodSeconds", 10);
  Default(probe, "successThreshold", 1);
  Default(probe, "failureThreshold", 3);
  if (Json* http = probe.Find("httpGet")) {
    Default(*http, "path", "/");
    Default(*http, "scheme", "HTTP");
  }
  if (Json* grpc = probe.Find("grpc")) Default(*grpc, "service", "");
}

void DefaultFieldRef(Json* ref) {
  if (ref) Default(*ref, "apiVersion", "v1");
}

// Canonical texts: "1000m" is stored as "1".
void Canonical(Json& resources) {
  for (const char* kind : {"limits", "requests"}) {
    Json* list = resources.Find(kind);
    if (!list || !list->IsObject()) continue;
    for (auto& [name, value] : list->MutableObject()) {
      auto quantity = kube::Quantity::FromJson(value);
      if (quantity) value = quantity->ToString();
    }
  }
  // A limit without a request asks for the limit.
  const Json* limits = resources.Find("limits");
  if (!limits || limits->empty()) return;
  Json wanted = *limits;
  Json& requests = resources.Ref("requests");
  if (!requests.IsObject()) requests = Json::MakeObject();
  for (const auto& [name, value] : wanted.AsObject()) Default(requests, name, value);
}

bool LatestTag(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return false;
  size_t slash = image.rfind('/');
  size_t colon = image.rfind(':');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) {
    return true;
  }
  return image.substr(colon + 1) == "latest";
}

void DefaultContainer(Json& container) {
  if (!container.IsObject()) return;
  Default(container, "terminationMessagePath", "/dev/termination-log");
  Default(container, "terminationMessagePolicy", "File");
  Default(container, "imagePullPolicy",
          LatestTag(container["image"].AsString()) ? "Always" : "IfNotPresent");
  Default(container, "resources", Json::MakeObject());
  if (Json* resources = container.Find("resources"); resources->IsObject()) Canonical(*resources);
  if (Json* ports = container.Find("ports"); ports && ports->IsArray()) {
    for (Json& port : ports->MutableArray()) Default(port, "protocol", "TCP");
  }
  if (Json* env = container.Find("env"); env && env->IsArray()) {
    for (Json& variable : env->MutableArray()) {
      Json* from = variable.Find("valueFrom");
      if (from) DefaultFieldRef(from->Find("fieldRef"));
      Json* resource = from ? from->Find("resourceFieldRef") : nullptr;
      if (resource) Default(*resource, "divisor", "0");
    }
  }
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    if (Json* value = container.Find(probe)) DefaultProbe(*value);
  }
  if (Json* lifecycle = container.Find("lifecycle")) {
    for (const char* hook : {"postStart", "preStop"}) {
      Json* handler = lifecycle->Find(hook);
      Json* http = handler ? handler->Find("httpGet") : nullptr;
      if (!http) continue;
      Default(*http, "path", "/");
      Default(*http, "scheme", "HTTP");
    }
  }
}

void DefaultVolume(Json& volume) {
  if (!volume.IsObject()) return;
  if (volume.size() == 1 && volume.Has("name")) volume.Set("emptyDir", Json::MakeObject());
  for (const char* kind : {"secret", "configMap", "downwardAPI", "projected"}) {
    Json* source = volume.Find(kind);
    if (!source || !source->IsObject()) continue;
    Default(*source, "defaultMode", 420);
    if (Json* items = source->Find("items"); items && items->IsArray()) {
      for (Json& item : items->MutableArray()) DefaultFieldRef(item.Find("fieldRef"));
    }
    if (Json* sources = source->Find("sources"); sources && sources->IsArray()) {
      for (Json& item : sources->MutableArray()) {
        if (Json* token = item.Find("serviceAccountToken")) {
          Default(*token, "expirationSeconds", 3600);
        }
        Json* downward = item.Find("downwardAPI");
        Json* items_list = downward ? downward->Find("items") : nullptr;
        if (!items_list || !items_list->IsArray()) continue;
        for (Json& file : items_list->MutableArray()) DefaultFieldRef(file.Find("fieldRef"));
      }
    }
  }
  if (Json* host = volume.Find("hostPath")) Default(*host, "type", "");
}

}  // namespace

void DefaultPodSpec(Json& spec) {
  if (!spec.IsObject()) return;
  Default(spec, "restartPolicy", "Always");
  Default(spec, "terminationGracePeriodSeconds", 30);
  Default(spec, "dnsPolicy", "ClusterFirst");
  Default(spec, "securityContext", Json::MakeObject());
  Default(spec, "schedulerName", "default-scheduler");
  for (const char* key : {"containers", "initContainers"}) {
    Json* containers = spec.Find(key);
    if (!containers || !containers->IsArray()) continue;
    for (Json& container : containers->MutableArray()) DefaultContainer(container);
  }
  if (Json* volumes = spec.Find("volumes"); volumes && volumes->IsArray()) {
    for (Json& volume : volumes->MutableArray()) DefaultVolume(volume);
  }
  // The deprecated name of the same field.
  if (const Json* account = spec.Find("serviceAccountName")) {
    Json value = *account;
    spec.Set("serviceAccount", std::move(value));
  } else if (const Json* old = spec.Find("serviceAccount")) {
    Json value = *old;
    spec.Set("serviceAccountName", std::move(value));
  }
}

void DefaultPod(Json& object) {
  Json& spec = object.Ref("spec");
  DefaultPodSpec(spec);
  if (!spec.IsObject()) return;
  Default(spec, "enableServiceLinks", true);
  Default(spec, "preemptionPolicy", "PreemptLowerPriority");
  Default(spec, "priority", 0);
  if (!spec.Has("serviceAccountName")) {
    spec.Set("serviceAccountName", "default");
    spec.Set("serviceAccount", "default");
  }
  // What the kubelet and the scheduler would say of the quality of service.
  if (Json* status = object.Find("status"); status && status->IsObject()) {
    bool any = false, all = true;
    for (const Json& container : spec["containers"].AsArray()) {
      const Json& resources = container["resources"];
      any = any || !resources["limits"].empty() || !resources["requests"].empty();
      for (const char* key : {"cpu", "memory"}) {
        all = all && resources["limits"].Has(key) &&
              resources["limits"][key] == resources["requests"][key];
      }
    }
    Default(*status, "qosClass", any ? (all ? "Guaranteed" : "Burstable") : "BestEffort");
  }
}

}  // namespace kinglet::local
