// The fields of Kubernetes' pod specs and containers that our own kinds embed. They are passed
// through as Json: the API server of the pods checks them.
#pragma once

#include <span>

#include "api/descriptor.h"

namespace kinglet::api {

// core/v1 PodSpec.
std::span<const PassedField> PodSpecFields();
// core/v1 Container.
std::span<const PassedField> ContainerFields();
// The part of PodSpec a serving runtime has, with the labels and annotations of its pods.
std::span<const PassedField> RuntimePodFields();

}  // namespace kinglet::api
