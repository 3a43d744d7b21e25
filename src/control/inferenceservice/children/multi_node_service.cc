#include "api/constants.h"
#include "control/inferenceservice/children/children.h"

namespace kinglet::control {
namespace {

// Headless, and answering for pods that are not ready yet: the group forms by it. No ports: only
// the name is looked up.
Json MakeHeadless(const ComponentPlan& plan, std::string_view ns, const std::string& name,
                  std::string_view role, std::string app) {
  Json service = MakeComponentObject("v1", "Service", plan, ns);
  Json& metadata = service.Ref("metadata");
  metadata.Set("name", name);
  metadata.Path({"labels", api::label::kMultiNodeRole}) = role;
  Json selector =
      Json::MakeObject({{api::label::kApp, std::move(app)},
                        {api::label::kIsvcGeneration, plan.labels[api::label::kIsvcGeneration]}});
  service.Set("spec", Json::MakeObject({{"selector", std::move(selector)},
                                        {"clusterIP", "None"},
                                        {"publishNotReadyAddresses", true}}));
  return service;
}

}  // namespace

std::vector<Json> MakeMultiNodeServices(const ComponentPlan& plan, std::string_view ns) {
  std::vector<Json> services;
  if (!plan.worker) return services;
  services.push_back(
      MakeHeadless(plan, ns, plan.worker->head_service, "head", "isvc." + plan.name));
  if (!plan.worker->worker_service.empty()) {
    services.push_back(
        MakeHeadless(plan, ns, plan.worker->worker_service, "worker", WorkerApp(plan)));
  }
  return services;
}

}  // namespace kinglet::control
