// For tests: the cluster that a case of testdata/cases.yaml is about, and the review that it sends.
#pragma once

#include <string>

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"
#include "base/text.h"
#include "base/yaml.h"
#include "kube/fake_client.h"
#include "kube/resource.h"

namespace kinglet::admission {

inline Result<Json> ReadYaml(const std::string& path) {
  KINGLET_TRY(std::string text, ReadFile(path));
  auto value = ParseYaml(text);
  if (!value) return Unexpected(value.error().WithContext(path));
  return value;
}

// Creates the shipped configuration (of the source tree `source`), with `config` as further keys,
// and `objects`.
inline Status MakeCluster(const std::string& source, const Json& config, const Json& objects,
                          kube::FakeClient& client) {
  KINGLET_TRY(Json config_map, ReadYaml(source + "/config/configmap/inferenceservice.yaml"));
  config_map.Path({"data", "deploy"}) = R"({"defaultDeploymentMode": "Standard"})";
  for (const auto& [key, value] : config.AsObject()) config_map.Path({"data", key}) = value;
  if (auto made = client.Create(kube::kConfigMap, config_map); !made) {
    return Unexpected(made.error());
  }
  for (const Json& object : objects.AsArray()) {
    const std::string& kind = object["kind"].AsString();
    const auto* type = kube::FindKnownResource(object["apiVersion"].AsString(), kind);
    if (!type) return Fail(Code::kInvalidArgument, "no kind {}", kind);
    if (auto made = client.Create(*type, object); !made) return Unexpected(made.error());
  }
  return {};
}

// An AdmissionReview in namespace ns, as an API server sends it to the webhook at `path`.
inline Json MakeReview(std::string_view path, std::string_view operation, const Json& object,
                       const Json& old_object = {}) {
  // Paths end with the kind in lower case, or with the plural.
  const std::string_view word = path.substr(path.rfind('-') + 1);
  Json request = Json::MakeObject({{"uid", "u"},
                                   {"operation", operation},
                                   {"namespace", "ns"},
                                   {"object", object},
                                   {"oldObject", old_object}});
  for (const auto* type : kube::KnownResources()) {
    if (AsciiLower(type->kind) != word && type->plural != word) continue;
    request.Set("kind",
                Json::MakeObject(
                    {{"group", type->group}, {"version", type->version}, {"kind", type->kind}}));
    request.Set("resource", Json::MakeObject({{"group", type->group},
                                              {"version", type->version},
                                              {"resource", type->plural}}));
  }
  return Json::MakeObject({{"apiVersion", "admission.k8s.io/v1"},
                           {"kind", "AdmissionReview"},
                           {"request", std::move(request)}});
}

}  // namespace kinglet::admission
