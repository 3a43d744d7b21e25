// The Kubernetes objects of an InferenceService in Standard (RawDeployment) mode, one file an
// object. Pure functions; the owner reference is added by the caller.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/child_applier.h"
#include "control/inferenceservice/canary.h"
#include "control/inferenceservice/component.h"

namespace kinglet::control {

// "hpa" where nothing is said.
std::string AutoscalerClass(const ComponentPlan& plan);
// Whether minReplicas is the number of replicas, since no autoscaler of ours sets it.
bool FixesReplicas(const ComponentPlan& plan, const api::Config& config);

// {apiVersion, kind, metadata: {name, namespace, labels, annotations}} with the label app.
Json MakeComponentObject(std::string_view api_version, std::string_view kind,
                         const ComponentPlan& plan, std::string_view ns);

Json MakeDeployment(const ComponentPlan& plan, std::string_view ns, const api::Config& config);
// Of a plan with a worker.
Json MakeWorkerDeployment(const ComponentPlan& plan, std::string_view ns,
                          const api::Config& config);
// The label app of the workers' pods.
std::string WorkerApp(const ComponentPlan& plan);
// By which head and workers find each other; none for a plan without a worker.
std::vector<Json> MakeMultiNodeServices(const ComponentPlan& plan, std::string_view ns);
Json MakeService(const ComponentPlan& plan, std::string_view ns, const api::ServiceConfig& config);

// What scales: see autoscaler.cc for which class makes which. maxReplicas is at least minReplicas.
Json MakeHorizontalPodAutoscaler(const ComponentPlan& plan, std::string_view ns);
Result<Json> MakeScaledObject(const ComponentPlan& plan, std::string_view ns,
                              const api::Config& config);
// Nothing where no metric of the pods themselves scales.
Result<std::optional<Json>> MakeOpenTelemetryCollector(const ComponentPlan& plan,
                                                       std::string_view ns,
                                                       const api::Config& config);
// The autoscaler that the component's class asks for; nothing where something else scales (classes
// external and none).
Result<std::optional<DesiredObject>> MakeAutoscaler(const ComponentPlan& plan, std::string_view ns,
                                                    const api::Config& config);

// ConfigMap modelconfig-<isvc>-0, into which TrainedModels are written.
Json MakeModelConfig(const api::InferenceService& isvc);

// Hosts, URLs and who answers them.
struct IngressNames {
  std::string predictor, explainer, transformer;  // names of Services; "" where there is none
  std::string predictor_host;                     // what the predictor's host is named after
};

// The host of an object by domainTemplate, without a port.
Result<std::string> MakeHost(std::string_view name, const api::InferenceService& isvc,
                             const api::IngressConfig& config);
// status.url.
Result<std::string> MakeUrl(const api::InferenceService& isvc, const api::IngressConfig& config);
// status.components.<component>.url: by the host of the component, and always http.
Result<std::string> MakeComponentUrl(std::string_view name, const api::InferenceService& isvc,
                                     const api::IngressConfig& config);
// Whether hosts outside the cluster are not wanted.
bool IsClusterLocal(const api::InferenceService& isvc, const api::IngressConfig& config);
// The path by pathTemplate, which must be set.
Result<std::string> MakePath(const api::InferenceService& isvc, const api::IngressConfig& config);
// With the annotations of the InferenceService but those of serviceAnnotationDisallowedList:
// ingress controllers take orders from annotations.
Result<Json> MakeIngress(const api::InferenceService& isvc, const IngressNames& names,
                         const api::Config& config);

// Gateway API: a route for each component, then the one of the InferenceService, then with
// pathTemplate the one of its path at the ingress domain. `predictors`: the predictor's Service,
// and those of canaries.
Result<std::vector<Json>> MakeHttpRoutes(const api::InferenceService& isvc,
                                         std::span<const ComponentPlan> components,
                                         std::span<const WeightedService> predictors,
                                         const api::Config& config);
// Why no gateway serves a route yet; nothing where one does. Null: there is no route yet.
struct RouteProblem {
  std::string reason, message;
};
std::optional<RouteProblem> FindRouteProblem(const Json* route);

}  // namespace kinglet::control
