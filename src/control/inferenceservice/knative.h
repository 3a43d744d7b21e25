// Reconciles InferenceServices in Serverless mode: a Knative Service a component, an Istio
// VirtualService in front. Also the transformers and explainers of those in ModelMesh mode, whose
// predictors belong to ModelMesh.
//
// As in KServe 0.15, what a change of the spec or of the mode leaves behind stays until the
// InferenceService goes.
#pragma once

#include <string>
#include <vector>

#include "control/inferenceservice/cluster.h"
#include "control/inferenceservice/plan.h"
#include "control/inferenceservice/runtime_users.h"
#include "control/inferenceservice/status_writer.h"
#include "kube/controller.h"

namespace kinglet::control {

class KnativeReconciler {
 public:
  // All must outlive the reconciler.
  struct Parts {
    kube::Client& client;
    Cluster& cluster;
    kube::EventRecorder& events;
    StatusWriter& status;
    const Clock& clock;
    RuntimeUsers& runtime_users;
  };
  struct Options {
    std::string cluster_domain;
    std::string knative_namespace;  // of ConfigMap config-domain
  };

  KnativeReconciler(Parts parts, Options options);

  // `mode`: Serverless, or ModelMesh with a transformer. Thread-safe.
  Result<kube::ReconcileResult> Reconcile(Json object, api::InferenceService isvc,
                                          const api::Config& config, api::Mode mode);

 private:
  struct Pass;

  Result<kube::ReconcileResult> Reject(Json object);
  // Applies the objects of one component and takes over what they say. False: come back before
  // anything else is done (`pass.later`).
  Result<bool> ReconcileComponent(ComponentKind kind, Pass& pass);
  // What the transformer must know of a predictor that ModelMesh serves. False: not known yet.
  Result<bool> FindMeshPredictor(Pass& pass);
  Result<kube::ReconcileResult> EndWithFailure(Pass& pass, const Error& error);
  // The ConfigMap of TrainedModels, where the predictor takes them.
  Status ApplyModelConfig(const Pass& pass);
  // Sets IngressReady, URL and address once the components have theirs.
  Status ReconcileEntry(Pass& pass);
  Status ApplyVirtualService(Pass& pass, const std::string& service_host);
  std::vector<std::string> KnativeDomains();

  Parts parts_;
  const Options options_;
};

}  // namespace kinglet::control
