// The pod being changed, and what its mutators share.
#pragma once

#include <string>
#include <string_view>

#include "api/config.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::admission {

struct Pod {
  Json object;     // the v1 Pod
  std::string ns;  // of the request: the pod may not carry it yet
  const api::Config& config;
  kube::Client& client;
  std::string controller_ns;  // where KServe's own objects are

  const Json& metadata() const { return object["metadata"]; }
  const Json& spec() const { return object["spec"]; }
  Json& mutable_spec() { return object.Ref("spec"); }
  // Null where there is none.
  const Json* Annotation(std::string_view key) const;
  std::string AnnotationOr(std::string_view key, std::string_view fallback) const;
  const std::string& Label(std::string_view key) const;
  void SetAnnotation(std::string_view key, std::string_view value);

  // Null where there is none. Pointers end with the next change of the list.
  Json* Container(std::string_view name);
  Json* InitContainer(std::string_view name);
  void AddContainer(Json container);
  void AddInitContainer(Json container);
  // Does nothing where a volume of that name is there.
  void AddVolume(Json volume);
  // A pod that brings a volume of that name is not one of ours: the API server refuses the pair.
  void AppendVolume(Json volume);
};

// The mutators, in the order in which they run. Errors are 500s.
Status InjectGkeAccelerator(Pod& pod);
Status InjectStorageInitializer(Pod& pod);
Status SetIstioCniSecurityContext(Pod& pod);
Status InjectAgent(Pod& pod);
Status InjectMetricsAggregator(Pod& pod);
Status InjectModelcar(Pod& pod);

// All of them on a copy of `object`.
Result<Json> MutatePod(const Json& object, const std::string& ns, const api::Config& config,
                       kube::Client& client, const std::string& controller_ns);

}  // namespace kinglet::admission
