// Names of KServe's contract: annotations, labels, containers, paths and ports.
#pragma once

#include <string_view>

namespace kinglet::api {

inline constexpr std::string_view kGroup = "serving.kserve.io";
inline constexpr std::string_view kV1Beta1 = "serving.kserve.io/v1beta1";
inline constexpr std::string_view kV1Alpha1 = "serving.kserve.io/v1alpha1";

inline constexpr std::string_view kConfigMapName = "inferenceservice-config";
inline constexpr std::string_view kDefaultNamespace = "kserve";

namespace annotation {
inline constexpr std::string_view kDeploymentMode = "serving.kserve.io/deploymentMode";
inline constexpr std::string_view kAutoscalerClass = "serving.kserve.io/autoscalerClass";
inline constexpr std::string_view kDisableLocalModel = "serving.kserve.io/disable-localmodel";
inline constexpr std::string_view kNodeGroup = "serving.kserve.io/nodegroup";
inline constexpr std::string_view kGkeAccelerator = "serving.kserve.io/gke-accelerator";
inline constexpr std::string_view kGpuResourceTypes = "serving.kserve.io/gpu-resource-types";
// Beyond 0.15: "true" takes the service down, without deleting it.
inline constexpr std::string_view kStop = "serving.kserve.io/stop";
// Beyond 0.15: "true" keeps changes of its runtime away while it is ready.
inline constexpr std::string_view kDisableAutoUpdate = "serving.kserve.io/disable-auto-update";
// Beyond 0.15, of a runtime: "mp" spans nodes without Ray.
inline constexpr std::string_view kExecutorBackend = "multinode/executor-backend";
inline constexpr std::string_view kEnableMetricAggregation =
    "serving.kserve.io/enable-metric-aggregation";
inline constexpr std::string_view kEnablePrometheusScraping =
    "serving.kserve.io/enable-prometheus-scraping";
inline constexpr std::string_view kStorageInitializerUid =
    "serving.kserve.io/storage-initializer-uid";
inline constexpr std::string_view kStorageReadonly = "storage.kserve.io/readonly";
inline constexpr std::string_view kKservePrometheusPort = "prometheus.kserve.io/port";
inline constexpr std::string_view kKservePrometheusPath = "prometheus.kserve.io/path";
inline constexpr std::string_view kPrometheusPort = "prometheus.io/port";
inline constexpr std::string_view kPrometheusPath = "prometheus.io/path";
inline constexpr std::string_view kKnativeAutoscalingClass = "autoscaling.knative.dev/class";
inline constexpr std::string_view kKnativeMinScale = "autoscaling.knative.dev/min-scale";
inline constexpr std::string_view kKnativeMaxScale = "autoscaling.knative.dev/max-scale";
inline constexpr std::string_view kKnativePassthrough =
    "serving.knative.openshift.io/enablePassthrough";
inline constexpr std::string_view kIstioInterceptionMode = "sidecar.istio.io/interceptionMode";
inline constexpr std::string_view kIstioStatus = "sidecar.istio.io/status";
inline constexpr std::string_view kEksRoleArn = "eks.amazonaws.com/role-arn";

inline constexpr std::string_view kStorageSourceUri =
    "internal.serving.kserve.io/storage-initializer-sourceuri";
// Ours: the pod's init container was made by the controller and lacks credentials.
inline constexpr std::string_view kStorageUris = "internal.serving.kserve.io/storage-uris";
inline constexpr std::string_view kStorageSpec = "internal.serving.kserve.io/storage-spec";
inline constexpr std::string_view kStorageSpecParam =
    "internal.serving.kserve.io/storage-spec-param";
inline constexpr std::string_view kStorageSpecKey = "internal.serving.kserve.io/storage-spec-key";
inline constexpr std::string_view kLogger = "internal.serving.kserve.io/logger";
inline constexpr std::string_view kLoggerSinkUrl = "internal.serving.kserve.io/logger-sink-url";
inline constexpr std::string_view kLoggerMode = "internal.serving.kserve.io/logger-mode";
inline constexpr std::string_view kLoggerMetadataHeaders =
    "internal.serving.kserve.io/logger-metadata-headers";
inline constexpr std::string_view kBatcher = "internal.serving.kserve.io/batcher";
inline constexpr std::string_view kBatcherMaxBatchSize =
    "internal.serving.kserve.io/batcher-max-batchsize";
inline constexpr std::string_view kBatcherMaxLatency =
    "internal.serving.kserve.io/batcher-max-latency";
inline constexpr std::string_view kAgent = "internal.serving.kserve.io/agent";
inline constexpr std::string_view kConfigVolumeName = "internal.serving.kserve.io/configVolumeName";
inline constexpr std::string_view kConfigMountPath = "internal.serving.kserve.io/configMountPath";
inline constexpr std::string_view kModelDir = "internal.serving.kserve.io/modelDir";
inline constexpr std::string_view kPredictorHost = "internal.serving.kserve.io/predictor-host";
inline constexpr std::string_view kPredictorProtocol =
    "internal.serving.kserve.io/predictor-protocol";
inline constexpr std::string_view kLocalModelSourceUri =
    "internal.serving.kserve.io/localmodel-sourceuri";
inline constexpr std::string_view kLocalModelPvcName =
    "internal.serving.kserve.io/localmodel-pvc-name";
}  // namespace annotation

namespace label {
inline constexpr std::string_view kInferenceService = "serving.kserve.io/inferenceservice";
inline constexpr std::string_view kComponent = "component";
inline constexpr std::string_view kEndpoint = "endpoint";
inline constexpr std::string_view kApp = "app";
inline constexpr std::string_view kModelClass = "modelClass";
inline constexpr std::string_view kServiceEnvelope = "serviceEnvelope";
inline constexpr std::string_view kLocalModel = "internal.serving.kserve.io/localmodel";
inline constexpr std::string_view kVisibility = "networking.kserve.io/visibility";
inline constexpr std::string_view kKnativeVisibility = "networking.knative.dev/visibility";
inline constexpr std::string_view kClusterLocal = "cluster-local";
inline constexpr std::string_view kIsvcGeneration = "isvc.generation";
inline constexpr std::string_view kMultiNodeRole = "multinode/role";
inline constexpr std::string_view kTrainedModelParent = "inferenceservice";
inline constexpr std::string_view kTrainedModelAllocated =
    "serving.kserve.io/trainedmodel-allocated";
inline constexpr std::string_view kInferenceGraph = "serving.kserve.io/inferencegraph";
}  // namespace label

inline constexpr std::string_view kFinalizer = "inferenceservice.finalizers";

inline constexpr std::string_view kModeRaw = "RawDeployment";
inline constexpr std::string_view kModeStandard = "Standard";  // later name of the first
inline constexpr std::string_view kModeKnative = "Knative";    // and of the second
inline constexpr std::string_view kModeServerless = "Serverless";
inline constexpr std::string_view kModeModelMesh = "ModelMesh";

inline constexpr std::string_view kKserveContainer = "kserve-container";
inline constexpr std::string_view kTransformerContainer = "transformer-container";
inline constexpr std::string_view kWorkerContainer = "worker-container";
inline constexpr std::string_view kStorageInitializer = "storage-initializer";
inline constexpr std::string_view kAgentContainer = "agent";
inline constexpr std::string_view kQueueProxy = "queue-proxy";
inline constexpr std::string_view kModelcar = "modelcar";
inline constexpr std::string_view kModelcarInit = "modelcar-init";

// The autoscaler class of Knative Services without one.
inline constexpr std::string_view kKnativePodAutoscaler = "kpa.autoscaling.knative.dev";

inline constexpr std::string_view kModelMountPath = "/mnt/models";
inline constexpr std::string_view kConfigMountPath = "/mnt/configs";
inline constexpr int kHttpPort = 8080;
inline constexpr int kAgentPort = 9081;
inline constexpr int kServicePort = 80;

}  // namespace kinglet::api
