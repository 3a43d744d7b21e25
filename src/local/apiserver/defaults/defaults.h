// Defaults of built-in kinds that clients and controllers rely on. Each is idempotent.
#pragma once

#include "base/json.h"

namespace kinglet::local {

// Sets the member where it is absent.
inline void Default(Json& object, std::string_view key, Json value) {
  if (!object.Has(key)) object.Set(key, std::move(value));
}

void DefaultPodSpec(Json& spec);
void DefaultPod(Json& object);
void DefaultDeployment(Json& object);
void DefaultReplicaSet(Json& object);
void DefaultJob(Json& object);
void DefaultHorizontalPodAutoscaler(Json& object);
void DefaultService(Json& object);
void DefaultSecret(Json& object);
void DefaultNamespace(Json& object);
void DefaultIngress(Json& object);
void DefaultEndpoints(Json& object);
void DefaultEndpointSlice(Json& object);
void DefaultPersistentVolumeClaim(Json& object);
void DefaultPersistentVolume(Json& object);
void DefaultRoleBinding(Json& object);
void DefaultCustomResourceDefinition(Json& object);

}  // namespace kinglet::local
