#include "base/encoding.h"
#include "local/apiserver/api.h"
#include "local/apiserver/defaults/defaults.h"

namespace kinglet::local {

void DefaultSecret(Json& object) {
  Default(object, "type", "Opaque");
  // Write-only plain text.
  Json* plain = object.Find("stringData");
  if (!plain) return;
  Json values = *plain;
  object.Erase("stringData");
  for (const auto& [key, value] : values.AsObject()) {
    object.Ref("data").Set(key, Base64Encode(value.AsString()));
  }
}

void DefaultNamespace(Json& object) {
  object.Path({"metadata", "labels"})
      .Set("kubernetes.io/metadata.name", object["metadata"]["name"]);
  // The lifecycle controller takes it away when everything inside is gone.
  Default(object.Ref("spec"), "finalizers", Json::MakeArray({"kubernetes"}));
}

void DefaultPersistentVolumeClaim(Json& object) {
  Default(object.Ref("spec"), "volumeMode", "Filesystem");
}

void DefaultPersistentVolume(Json& object) {
  Default(object.Ref("spec"), "persistentVolumeReclaimPolicy", "Retain");
  Default(object.Ref("spec"), "volumeMode", "Filesystem");
}

void DefaultRoleBinding(Json& object) {
  if (Json* role = object.Find("roleRef")) Default(*role, "apiGroup", "rbac.authorization.k8s.io");
  Json* subjects = object.Find("subjects");
  if (!subjects || !subjects->IsArray()) return;
  for (Json& subject : subjects->MutableArray()) {
    if (subject["kind"].AsString() != "ServiceAccount") {
      Default(subject, "apiGroup", "rbac.authorization.k8s.io");
    }
  }
}

void DefaultCustomResourceDefinition(Json& object) {
  Json& spec = object.Ref("spec");
  Default(spec, "conversion", Json::MakeObject({{"strategy", "None"}}));
  Json* names = spec.Find("names");
  if (!names || !names->IsObject()) return;
  std::string singular;
  for (char c : (*names)["kind"].AsString()) {
    singular += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  Default(*names, "listKind", (*names)["kind"].AsString() + "List");
  Default(*names, "singular", singular);
}

void DefaultBuiltin(const Resource& resource, Json& object) {
  static const std::map<std::string_view, void (*)(Json&)> table = {
      {"Pod", DefaultPod},
      {"Deployment", DefaultDeployment},
      {"ReplicaSet", DefaultReplicaSet},
      {"Job", DefaultJob},
      {"HorizontalPodAutoscaler", DefaultHorizontalPodAutoscaler},
      {"Service", DefaultService},
      {"Secret", DefaultSecret},
      {"Namespace", DefaultNamespace},
      {"Ingress", DefaultIngress},
      {"Endpoints", DefaultEndpoints},
      {"EndpointSlice", DefaultEndpointSlice},
      {"PersistentVolumeClaim", DefaultPersistentVolumeClaim},
      {"PersistentVolume", DefaultPersistentVolume},
      {"RoleBinding", DefaultRoleBinding},
      {"ClusterRoleBinding", DefaultRoleBinding},
      {"CustomResourceDefinition", DefaultCustomResourceDefinition},
  };
  auto it = table.find(resource.kind);
  if (it != table.end()) it->second(object);
}

}  // namespace kinglet::local
