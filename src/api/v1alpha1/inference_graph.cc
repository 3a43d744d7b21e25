#include "api/v1alpha1/inference_graph.h"

namespace kinglet::api {

const Struct<InferenceStep>& InferenceStep::Describe() {
  using S = InferenceStep;
  static const auto d =
      Struct<S>("A step of a node.")
          .Field("name", &S::name, "Its name.")
          .Field("nodeName", &S::node_name, "Another node of the graph.")
          .Field("serviceName", &S::service_name, "An InferenceService.")
          .Field("serviceUrl", &S::service_url, "Any URL.")
          .Field("data", &S::data, "What is sent: $request or $response.")
          .Field("weight", &S::weight, "Share of the requests, in a Splitter.")
          .Field("condition", &S::condition, "When the step is taken, in a Switch.")
          .Field("dependency", &S::dependency, "Whether a failure ends the graph.",
                 {.one_of = {"Soft", "Hard"}})
          .Field("mapPredictionsToInstances", &S::map_predictions_to_instances,
                 "Whether the predictions of the step before become its instances.");
  return d;
}

const Struct<InferenceRouter>& InferenceRouter::Describe() {
  using S = InferenceRouter;
  static const auto d =
      Struct<S>("A node of a graph.")
          .Field("routerType", &S::router_type, "How its steps are taken.",
                 {.required = true, .one_of = {"Sequence", "Splitter", "Ensemble", "Switch"}})
          .Field("steps", &S::steps, "The steps.");
  return d;
}

const Struct<RouterTimeouts>& RouterTimeouts::Describe() {
  using S = RouterTimeouts;
  static const auto d =
      Struct<S>("Times of the router, in seconds.")
          .Field("serverRead", &S::server_read, "In which a request must have come.")
          .Field("serverWrite", &S::server_write, "In which its answer must have gone.")
          .Field("serverIdle", &S::server_idle, "After which a connection without requests closes.")
          .Field("serviceClient", &S::service_client, "In which a step must have answered.");
  return d;
}

const Struct<InferenceGraphSpec>& InferenceGraphSpec::Describe() {
  using S = InferenceGraphSpec;
  static const auto d =
      Struct<S>("A graph of models.")
          .Field("nodes", &S::nodes, "By name; the first is root.", {.required = true})
          .Field("resources", &S::resources, "Of the router.")
          .Field("affinity", &S::affinity, "Of the router.")
          .Field("tolerations", &S::tolerations, "Of the router.")
          .Field("nodeSelector", &S::node_selector, "Of the router.")
          .Field("nodeName", &S::node_name, "Of the router.")
          .Field("serviceAccountName", &S::service_account_name, "Of the router.")
          .Field("timeout", &S::timeout, "Seconds in which a request must be answered.")
          .Field("routerTimeouts", &S::router_timeouts, "Times of the router.")
          .Field("minReplicas", &S::min_replicas, "Fewest routers.")
          .Field("maxReplicas", &S::max_replicas, "Most routers; 0 sets no limit.")
          .Field("scaleTarget", &S::scale_target, "The value of the metric to keep.")
          .Field("scaleMetric", &S::scale_metric, "The metric to scale by.",
                 {.one_of = {"cpu", "memory", "concurrency", "rps"}});
  return d;
}

const Struct<InferenceGraph>& InferenceGraph::Describe() {
  using S = InferenceGraph;
  static const auto d = Struct<S>("A graph of models.")
                            .Field("metadata", &S::metadata, "")
                            .Field("spec", &S::spec, "")
                            .Field("status", &S::status, "")
                            .PreserveUnknown();
  return d;
}

}  // namespace kinglet::api
