// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Workloads() {
  return R"(
apps.v1.Deployment apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:apps.v1.DeploymentSpec status:apps.v1.DeploymentStatus
apps.v1.ReplicaSet apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:apps.v1.ReplicaSetSpec status:apps.v1.ReplicaSetStatus
batch.v1.Job apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:batch.v1.JobSpec
  status:batch.v1.JobStatus
autoscaling.v2.HorizontalPodAutoscaler apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:autoscaling.v2.HorizontalPodAutoscalerSpec
  status:autoscaling.v2.HorizontalPodAutoscalerStatus
autoscaling.v1.Scale apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:autoscaling.v1.ScaleSpec status:autoscaling.v1.ScaleStatus
apps.v1.DeploymentSpec minReadySeconds:int paused:bool progressDeadlineSeconds:int replicas:int
  revisionHistoryLimit:int selector:meta.v1.LabelSelector!
  strategy:apps.v1.DeploymentStrategy@retainKeys template:core.v1.PodTemplateSpec!
apps.v1.DeploymentStatus availableReplicas:int collisionCount:int
  conditions:[apps.v1.DeploymentCondition]@map(type)@merge(type) observedGeneration:int64
  readyReplicas:int replicas:int terminatingReplicas:int unavailableReplicas:int
  updatedReplicas:int
apps.v1.ReplicaSetSpec minReadySeconds:int replicas:int selector:meta.v1.LabelSelector!
  template:core.v1.PodTemplateSpec
apps.v1.ReplicaSetStatus availableReplicas:int
  conditions:[apps.v1.ReplicaSetCondition]@map(type)@merge(type) fullyLabeledReplicas:int
  observedGeneration:int64 readyReplicas:int replicas:int! terminatingReplicas:int
batch.v1.JobSpec activeDeadlineSeconds:int64 backoffLimit:int backoffLimitPerIndex:int
  completionMode:string completions:int managedBy:string manualSelector:bool maxFailedIndexes:int
  parallelism:int podFailurePolicy:batch.v1.PodFailurePolicy podReplacementPolicy:string
  selector:meta.v1.LabelSelector successPolicy:batch.v1.SuccessPolicy suspend:bool
  template:core.v1.PodTemplateSpec! ttlSecondsAfterFinished:int
batch.v1.JobStatus active:int completedIndexes:string completionTime:time
  conditions:[batch.v1.JobCondition]@merge(type) failed:int failedIndexes:string ready:int
  startTime:time succeeded:int terminating:int
  uncountedTerminatedPods:batch.v1.UncountedTerminatedPods
autoscaling.v2.HorizontalPodAutoscalerSpec behavior:autoscaling.v2.HorizontalPodAutoscalerBehavior
  maxReplicas:int! metrics:[autoscaling.v2.MetricSpec] minReplicas:int
  scaleTargetRef:autoscaling.v2.CrossVersionObjectReference!
autoscaling.v2.HorizontalPodAutoscalerStatus
  conditions:[autoscaling.v2.HorizontalPodAutoscalerCondition]@map(type)@merge(type)
  currentMetrics:[autoscaling.v2.MetricStatus] currentReplicas:int desiredReplicas:int!
  lastScaleTime:time observedGeneration:int64
autoscaling.v1.ScaleSpec replicas:int
autoscaling.v1.ScaleStatus replicas:int! selector:string
apps.v1.DeploymentStrategy rollingUpdate:apps.v1.RollingUpdateDeployment type:string
core.v1.PodTemplateSpec metadata:meta.v1.ObjectMeta spec:core.v1.PodSpec
apps.v1.DeploymentCondition lastTransitionTime:time lastUpdateTime:time message:string
  reason:string status:string! type:string!
apps.v1.ReplicaSetCondition lastTransitionTime:time message:string reason:string status:string!
  type:string!
batch.v1.PodFailurePolicy rules:[batch.v1.PodFailurePolicyRule]!
batch.v1.SuccessPolicy rules:[batch.v1.SuccessPolicyRule]!
batch.v1.JobCondition lastProbeTime:time lastTransitionTime:time message:string reason:string
  status:string! type:string!
batch.v1.UncountedTerminatedPods failed:[string]@set succeeded:[string]@set
autoscaling.v2.HorizontalPodAutoscalerBehavior scaleDown:autoscaling.v2.HPAScalingRules
  scaleUp:autoscaling.v2.HPAScalingRules
autoscaling.v2.MetricSpec containerResource:autoscaling.v2.ContainerResourceMetricSource
  external:autoscaling.v2.ExternalMetricSource object:autoscaling.v2.ObjectMetricSource
  pods:autoscaling.v2.PodsMetricSource resource:autoscaling.v2.ResourceMetricSource type:string!
autoscaling.v2.CrossVersionObjectReference apiVersion:string kind:string! name:string!
autoscaling.v2.HorizontalPodAutoscalerCondition lastTransitionTime:time message:string
  reason:string status:string! type:string!
autoscaling.v2.MetricStatus containerResource:autoscaling.v2.ContainerResourceMetricStatus
  external:autoscaling.v2.ExternalMetricStatus object:autoscaling.v2.ObjectMetricStatus
  pods:autoscaling.v2.PodsMetricStatus resource:autoscaling.v2.ResourceMetricStatus type:string!
apps.v1.RollingUpdateDeployment maxSurge:intstr maxUnavailable:intstr
batch.v1.PodFailurePolicyRule action:string!
  onExitCodes:batch.v1.PodFailurePolicyOnExitCodesRequirement
  onPodConditions:[batch.v1.PodFailurePolicyOnPodConditionsPattern]
batch.v1.SuccessPolicyRule succeededCount:int succeededIndexes:string
autoscaling.v2.HPAScalingRules policies:[autoscaling.v2.HPAScalingPolicy] selectPolicy:string
  stabilizationWindowSeconds:int tolerance:quantity
autoscaling.v2.ContainerResourceMetricSource container:string! name:string!
  target:autoscaling.v2.MetricTarget!
autoscaling.v2.ExternalMetricSource metric:autoscaling.v2.MetricIdentifier!
  target:autoscaling.v2.MetricTarget!
autoscaling.v2.ObjectMetricSource describedObject:autoscaling.v2.CrossVersionObjectReference!
  metric:autoscaling.v2.MetricIdentifier! target:autoscaling.v2.MetricTarget!
autoscaling.v2.PodsMetricSource metric:autoscaling.v2.MetricIdentifier!
  target:autoscaling.v2.MetricTarget!
autoscaling.v2.ResourceMetricSource name:string! target:autoscaling.v2.MetricTarget!
autoscaling.v2.ContainerResourceMetricStatus container:string!
  current:autoscaling.v2.MetricValueStatus! name:string!
autoscaling.v2.ExternalMetricStatus current:autoscaling.v2.MetricValueStatus!
  metric:autoscaling.v2.MetricIdentifier!
autoscaling.v2.ObjectMetricStatus current:autoscaling.v2.MetricValueStatus!
  describedObject:autoscaling.v2.CrossVersionObjectReference!
  metric:autoscaling.v2.MetricIdentifier!
autoscaling.v2.PodsMetricStatus current:autoscaling.v2.MetricValueStatus!
  metric:autoscaling.v2.MetricIdentifier!
autoscaling.v2.ResourceMetricStatus current:autoscaling.v2.MetricValueStatus! name:string!
batch.v1.PodFailurePolicyOnExitCodesRequirement containerName:string operator:string!
  values:[int]@set!
batch.v1.PodFailurePolicyOnPodConditionsPattern status:string! type:string!
autoscaling.v2.HPAScalingPolicy periodSeconds:int! type:string! value:int!
autoscaling.v2.MetricTarget averageUtilization:int averageValue:quantity type:string!
  value:quantity
autoscaling.v2.MetricIdentifier name:string! selector:meta.v1.LabelSelector
autoscaling.v2.MetricValueStatus averageUtilization:int averageValue:quantity value:quantity
)";
}

}  // namespace kinglet::local::schemas
