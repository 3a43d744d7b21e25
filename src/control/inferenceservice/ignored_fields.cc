#include "control/inferenceservice/ignored_fields.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "api/constants.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kReason = "FieldHasNoEffect";

// The components that the spec has, with their names.
std::vector<std::pair<ComponentKind, const api::ComponentExtension*>> Components(
    const api::InferenceServiceSpec& spec) {
  std::vector<std::pair<ComponentKind, const api::ComponentExtension*>> out;
  out.emplace_back(ComponentKind::kPredictor, &spec.predictor);
  if (spec.transformer) out.emplace_back(ComponentKind::kTransformer, &*spec.transformer);
  if (spec.explainer) out.emplace_back(ComponentKind::kExplainer, &*spec.explainer);
  return out;
}

class Finder {
 public:
  Finder(const api::InferenceService& isvc, api::Mode mode, const api::Config& config)
      : isvc_(isvc), mode_(mode), config_(config) {}

  std::vector<IgnoredField> Find() {
    for (const auto& [kind, extension] : Components(isvc_.spec)) {
      kind_ = kind;
      FindInAnyMode(*extension);
      if (mode_ == api::Mode::kRawDeployment) {
        FindInStandardMode(*extension);
      } else {
        FindInKnativeMode(*extension);
      }
    }
    kind_ = ComponentKind::kPredictor;
    for (const auto& implementation : api::Implementations(isvc_.spec.predictor)) {
      const api::PredictorExtension* extension = implementation.extension;
      if (extension && extension->storage && extension->storage->schema_path) {
        Add(fmt::format("{}.storage.schemaPath", implementation.name), "nothing reads it");
      }
    }
    return std::move(out_);
  }

 private:
  void Add(std::string_view field, std::string_view why) {
    out_.push_back({std::string(kReason),
                    fmt::format("spec.{}.{} has no effect: {}", ComponentName(kind_), field, why)});
  }

  void FindInAnyMode(const api::ComponentExtension& extension) {
    if (extension.batcher && extension.batcher->timeout) {
      Add("batcher.timeout", "the batcher has maxLatency only");
    }
    if (extension.scale_metric_type) {
      Add("scaleMetricType", "set the type of a metric in autoScaling.metrics");
    }
  }

  void FindInStandardMode(const api::ComponentExtension& extension) {
    // Users would believe that traffic is split.
    if (extension.canary_traffic_percent) {
      Add("canaryTrafficPercent",
          "Standard mode splits no traffic by it; use Serverless mode for canaries");
    }
    if (extension.container_concurrency && kind_ == ComponentKind::kPredictor) {
      Add("containerConcurrency", "only Serverless mode bounds the requests of a pod");
    }
    if (extension.timeout && config_.ingress && !config_.ingress->enable_gateway_api) {
      Add("timeout", "a Kubernetes Ingress has no timeout of requests; use the Gateway API");
    }
    const std::string& annotated = isvc_.Annotation(api::annotation::kAutoscalerClass);
    if (!annotated.empty() && annotated != "hpa") return;
    const std::string metric = extension.scale_metric.value_or("cpu");
    if (metric != "cpu" && metric != "memory" && !extension.auto_scaling) {
      Add("scaleMetric",
          fmt::format("a HorizontalPodAutoscaler does not know {}; use cpu or memory", metric));
    }
    if (extension.auto_scaling &&
        std::ranges::any_of(extension.auto_scaling->metrics,
                            [](const auto& each) { return each.type != "Resource"; })) {
      Add("autoScaling",
          "a HorizontalPodAutoscaler scales by resources only; set the annotation "
          "serving.kserve.io/autoscalerClass to keda for other metrics");
    }
  }

  void FindInKnativeMode(const api::ComponentExtension& extension) {
    if (!extension.deployment_strategy.IsNull()) {
      Add("deploymentStrategy", "Knative rolls its revisions out itself; see canaryTrafficPercent");
    }
    if (extension.auto_scaling) {
      Add("autoScaling", "Knative scales by scaleMetric and scaleTarget");
    }
  }

  const api::InferenceService& isvc_;
  const api::Mode mode_;
  const api::Config& config_;
  ComponentKind kind_ = ComponentKind::kPredictor;
  std::vector<IgnoredField> out_;
};

}  // namespace

std::vector<IgnoredField> FindIgnoredFields(const api::InferenceService& isvc, api::Mode mode,
                                            const api::Config& config) {
  return Finder(isvc, mode, config).Find();
}

}  // namespace kinglet::control
