// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Workloads() {
  return R"(
apps.v1.Deployment apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:apps.v1.DeploymentSpec status#3:apps.v1.DeploymentStatus
apps.v1.ReplicaSet apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:apps.v1.ReplicaSetSpec status#3:apps.v1.ReplicaSetStatus
batch.v1.Job apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta spec#2:batch.v1.JobSpec
  status#3:batch.v1.JobStatus
autoscaling.v2.HorizontalPodAutoscaler apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:autoscaling.v2.HorizontalPodAutoscalerSpec
  status#3:autoscaling.v2.HorizontalPodAutoscalerStatus
autoscaling.v1.Scale apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:autoscaling.v1.ScaleSpec status#3:autoscaling.v1.ScaleStatus
apps.v1.DeploymentSpec minReadySeconds#5:int paused#7:bool progressDeadlineSeconds#9:int
  replicas#1:int revisionHistoryLimit#6:int selector#2:meta.v1.LabelSelector!
  strategy#4:apps.v1.DeploymentStrategy@retainKeys template#3:core.v1.PodTemplateSpec!
apps.v1.DeploymentStatus availableReplicas#4:int collisionCount#8:int
  conditions#6:[apps.v1.DeploymentCondition]@map(type)@merge(type) observedGeneration#1:int64
  readyReplicas#7:int replicas#2:int terminatingReplicas#9:int unavailableReplicas#5:int
  updatedReplicas#3:int
apps.v1.ReplicaSetSpec minReadySeconds#4:int replicas#1:int selector#2:meta.v1.LabelSelector!
  template#3:core.v1.PodTemplateSpec
apps.v1.ReplicaSetStatus availableReplicas#5:int
  conditions#6:[apps.v1.ReplicaSetCondition]@map(type)@merge(type) fullyLabeledReplicas#2:int
  observedGeneration#3:int64 readyReplicas#4:int replicas#1:int! terminatingReplicas#7:int
batch.v1.JobSpec activeDeadlineSeconds#3:int64 backoffLimit#7:int backoffLimitPerIndex#12:int
  completionMode#9:string completions#2:int managedBy#15:string manualSelector#5:bool
  maxFailedIndexes#13:int parallelism#1:int podFailurePolicy#11:batch.v1.PodFailurePolicy
  podReplacementPolicy#14:string selector#4:meta.v1.LabelSelector
  successPolicy#16:batch.v1.SuccessPolicy suspend#10:bool template#6:core.v1.PodTemplateSpec!
  ttlSecondsAfterFinished#8:int
batch.v1.JobStatus active#4:int completedIndexes#7:string completionTime#3:time
  conditions#1:[batch.v1.JobCondition]@merge(type) failed#6:int failedIndexes#10:string ready#9:int
  startTime#2:time succeeded#5:int terminating#11:int
  uncountedTerminatedPods#8:batch.v1.UncountedTerminatedPods
autoscaling.v2.HorizontalPodAutoscalerSpec
  behavior#5:autoscaling.v2.HorizontalPodAutoscalerBehavior maxReplicas#3:int!
  metrics#4:[autoscaling.v2.MetricSpec] minReplicas#2:int
  scaleTargetRef#1:autoscaling.v2.CrossVersionObjectReference!
autoscaling.v2.HorizontalPodAutoscalerStatus
  conditions#6:[autoscaling.v2.HorizontalPodAutoscalerCondition]@map(type)@merge(type)
  currentMetrics#5:[autoscaling.v2.MetricStatus] currentReplicas#3:int desiredReplicas#4:int!
  lastScaleTime#2:time observedGeneration#1:int64
autoscaling.v1.ScaleSpec replicas#1:int
autoscaling.v1.ScaleStatus replicas#1:int! selector#2:string
apps.v1.DeploymentStrategy rollingUpdate#2:apps.v1.RollingUpdateDeployment type#1:string
core.v1.PodTemplateSpec metadata#1:meta.v1.ObjectMeta spec#2:core.v1.PodSpec
apps.v1.DeploymentCondition lastTransitionTime#7:time lastUpdateTime#6:time message#5:string
  reason#4:string status#2:string! type#1:string!
apps.v1.ReplicaSetCondition lastTransitionTime#3:time message#5:string reason#4:string
  status#2:string! type#1:string!
batch.v1.PodFailurePolicy rules#1:[batch.v1.PodFailurePolicyRule]!
batch.v1.SuccessPolicy rules#1:[batch.v1.SuccessPolicyRule]!
batch.v1.JobCondition lastProbeTime#3:time lastTransitionTime#4:time message#6:string
  reason#5:string status#2:string! type#1:string!
batch.v1.UncountedTerminatedPods failed#2:[string]@set succeeded#1:[string]@set
autoscaling.v2.HorizontalPodAutoscalerBehavior scaleDown#2:autoscaling.v2.HPAScalingRules
  scaleUp#1:autoscaling.v2.HPAScalingRules
autoscaling.v2.MetricSpec containerResource#7:autoscaling.v2.ContainerResourceMetricSource
  external#5:autoscaling.v2.ExternalMetricSource object#2:autoscaling.v2.ObjectMetricSource
  pods#3:autoscaling.v2.PodsMetricSource resource#4:autoscaling.v2.ResourceMetricSource
  type#1:string!
autoscaling.v2.CrossVersionObjectReference apiVersion#3:string kind#1:string! name#2:string!
autoscaling.v2.HorizontalPodAutoscalerCondition lastTransitionTime#3:time message#5:string
  reason#4:string status#2:string! type#1:string!
autoscaling.v2.MetricStatus containerResource#7:autoscaling.v2.ContainerResourceMetricStatus
  external#5:autoscaling.v2.ExternalMetricStatus object#2:autoscaling.v2.ObjectMetricStatus
  pods#3:autoscaling.v2.PodsMetricStatus resource#4:autoscaling.v2.ResourceMetricStatus
  type#1:string!
apps.v1.RollingUpdateDeployment maxSurge#2:intstr maxUnavailable#1:intstr
batch.v1.PodFailurePolicyRule action#1:string!
  onExitCodes#2:batch.v1.PodFailurePolicyOnExitCodesRequirement
  onPodConditions#3:[batch.v1.PodFailurePolicyOnPodConditionsPattern]
batch.v1.SuccessPolicyRule succeededCount#2:int succeededIndexes#1:string
autoscaling.v2.HPAScalingRules policies#2:[autoscaling.v2.HPAScalingPolicy] selectPolicy#1:string
  stabilizationWindowSeconds#3:int tolerance#4:quantity
autoscaling.v2.ContainerResourceMetricSource container#3:string! name#1:string!
  target#2:autoscaling.v2.MetricTarget!
autoscaling.v2.ExternalMetricSource metric#1:autoscaling.v2.MetricIdentifier!
  target#2:autoscaling.v2.MetricTarget!
autoscaling.v2.ObjectMetricSource describedObject#1:autoscaling.v2.CrossVersionObjectReference!
  metric#3:autoscaling.v2.MetricIdentifier! target#2:autoscaling.v2.MetricTarget!
autoscaling.v2.PodsMetricSource metric#1:autoscaling.v2.MetricIdentifier!
  target#2:autoscaling.v2.MetricTarget!
autoscaling.v2.ResourceMetricSource name#1:string! target#2:autoscaling.v2.MetricTarget!
autoscaling.v2.ContainerResourceMetricStatus container#3:string!
  current#2:autoscaling.v2.MetricValueStatus! name#1:string!
autoscaling.v2.ExternalMetricStatus current#2:autoscaling.v2.MetricValueStatus!
  metric#1:autoscaling.v2.MetricIdentifier!
autoscaling.v2.ObjectMetricStatus current#2:autoscaling.v2.MetricValueStatus!
  describedObject#3:autoscaling.v2.CrossVersionObjectReference!
  metric#1:autoscaling.v2.MetricIdentifier!
autoscaling.v2.PodsMetricStatus current#2:autoscaling.v2.MetricValueStatus!
  metric#1:autoscaling.v2.MetricIdentifier!
autoscaling.v2.ResourceMetricStatus current#2:autoscaling.v2.MetricValueStatus! name#1:string!
batch.v1.PodFailurePolicyOnExitCodesRequirement containerName#1:string operator#2:string!
  values#3:[int]@set!
batch.v1.PodFailurePolicyOnPodConditionsPattern status#2:string! type#1:string!
autoscaling.v2.HPAScalingPolicy periodSeconds#3:int! type#1:string! value#2:int!
autoscaling.v2.MetricTarget averageUtilization#4:int averageValue#3:quantity type#1:string!
  value#2:quantity
autoscaling.v2.MetricIdentifier name#1:string! selector#2:meta.v1.LabelSelector
autoscaling.v2.MetricValueStatus averageUtilization#3:int averageValue#2:quantity value#1:quantity
)";
}

}  // namespace kinglet::local::schemas
