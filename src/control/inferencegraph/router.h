// The router of an InferenceGraph as Kubernetes objects. Pure; owner references are added by the
// caller.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/config.h"
#include "api/v1alpha1/inference_graph.h"
#include "control/child_applier.h"

namespace kinglet::control {

// The spec as the router's --graph-json wants it, quantities in their canonical form.
std::string GraphJson(const api::InferenceGraphSpec& spec);

// Standard mode: Deployment, Service and autoscaler, named as the graph.
Result<std::vector<DesiredObject>> MakeRouterObjects(const api::InferenceGraph& graph,
                                                     const api::Config& config,
                                                     const api::RouterConfig& router);
// Knative mode. Replicas and scaling are the annotations' there, not the spec's.
DesiredObject MakeRouterKnativeService(const api::InferenceGraph& graph,
                                       const api::RouterConfig& router);

// Another spelling of the same graph would restart a router for nothing: takes over the text of a
// router that is there (a Deployment or Knative Service; may be null).
void KeepGraphSpelling(const Json* existing, Json& desired);

// status.url in Standard mode.
Result<std::string> MakeGraphUrl(const api::InferenceGraph& graph,
                                 const api::IngressConfig& config);

// Steps whose nodeName is no node of the graph, in words: their requests fail. The first ones only:
// each is an event, and too many would displace those of other graphs.
constexpr size_t kMaxDanglingSteps = 10;
std::vector<std::string> FindDanglingSteps(const api::InferenceGraphSpec& spec);

}  // namespace kinglet::control
