#include "control/inferenceservice/ingress_reconciler.h"

#include <algorithm>
#include <span>

#include "base/log.h"
#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/status.h"
#include "kube/object.h"

namespace kinglet::control {

Result<Entry> IngressReconciler::Reconcile(const Plan& plan, const api::InferenceService& isvc,
                                           const api::Config& config,
                                           std::vector<DesiredObject>& wanted, Json& object) {
  const api::IngressConfig& ingress = *config.ingress;
  if (!IsClusterLocal(isvc, ingress) && !ingress.disable_ingress_creation) {
    KINGLET_TRY(Entry entry, ingress.enable_gateway_api
                                 ? ReconcileHttpRoutes(plan, isvc, config, wanted, object)
                                 : ReconcileIngress(plan, isvc, config, wanted, object));
    if (entry != Entry::kOpen) return entry;
  }
  KINGLET_TRY(std::string url, MakeUrl(isvc, ingress));
  const auto transformer =
      std::ranges::find(plan.components, ComponentKind::kTransformer, &ComponentPlan::kind);
  const std::string& front =
      (transformer == plan.components.end() ? plan.components.begin() : transformer)->name;
  Json& status = object.Ref("status");
  status.Set("url", url);
  status.Set("address",
             Json::MakeObject({{"url", fmt::format("{}://{}.{}.svc.{}", ingress.url_scheme, front,
                                                   isvc.ns(), cluster_domain_)}}));
  Conditions(object, clock_).MarkTrue("IngressReady");
  return Entry::kOpen;
}

Result<bool> IngressReconciler::ClaimHosts(std::span<const DesiredObject> routes,
                                           const api::IngressConfig& config,
                                           const kube::Informer& live, Json& object) {
  if (live.KindExists() && !live.HasSynced()) {
    return Fail(Code::kAborted, "{} objects are not listed yet", live.type().kind);
  }
  // With pathTemplate the domain itself is for all: each has its path there.
  const std::string shared = config.path_template.empty() ? "" : config.IngressHost();
  auto conflict = claims_.Claim(kube::KeyOf(object), routes, shared, live);
  if (!conflict) return true;
  LogWarning("the host of an InferenceService is in use",
             {{"inferenceservice", kube::KeyOf(object).ToString()},
              {"host", conflict->host},
              {"used by", conflict->holder.ToString()}});
  // Whose it is, a user of one namespace need not learn of others.
  Conditions(object, clock_)
      .MarkFalse("IngressReady", "HostInUse",
                 fmt::format("host {} is used by an InferenceService of another namespace: choose "
                             "another name, or ask for another domainTemplate or pathTemplate",
                             conflict->host));
  return false;
}

Result<Entry> IngressReconciler::ReconcileIngress(const Plan& plan,
                                                  const api::InferenceService& isvc,
                                                  const api::Config& config,
                                                  std::vector<DesiredObject>& wanted,
                                                  Json& object) {
  KINGLET_TRY(Json ingress, MakeIngress(isvc, IngressNamesOf(plan), config));
  DesiredObject desired{&kube::kIngress, std::move(ingress)};
  wanted.push_back(desired);
  const bool has_transformer = isvc.spec.transformer.has_value();
  for (const auto& component : plan.components) {
    if (IsComponentReady(object, component.kind)) continue;
    // KServe 0.15 does not wait for an explainer behind a transformer.
    if (component.kind == ComponentKind::kExplainer && has_transformer) continue;
    Conditions(object, clock_)
        .MarkFalse("IngressReady",
                   fmt::format("{} ingress not created", ComponentTitle(component.kind)), "");
    return Entry::kClosed;
  }
  KINGLET_TRY(bool claimed,
              ClaimHosts(std::span(&desired, 1), *config.ingress, cluster_.ingresses(), object));
  if (!claimed) return Entry::kTaken;
  KINGLET_RETURN_IF_ERROR(cluster_.children().Apply(object, desired));
  return Entry::kOpen;
}

Result<Entry> IngressReconciler::ReconcileHttpRoutes(const Plan& plan,
                                                     const api::InferenceService& isvc,
                                                     const api::Config& config,
                                                     std::vector<DesiredObject>& wanted,
                                                     Json& object) {
  const auto predictors = SplitTraffic(plan.components[0].name, plan.canaries);
  KINGLET_TRY(auto routes, MakeHttpRoutes(isvc, plan.components, predictors, config));
  for (Json& route : routes) wanted.push_back({&kube::kHttpRoute, std::move(route)});
  const std::span mine(wanted.end() - static_cast<ptrdiff_t>(routes.size()), wanted.end());
  KINGLET_TRY(bool claimed, ClaimHosts(mine, *config.ingress, cluster_.http_routes(), object));
  if (!claimed) return Entry::kTaken;
  // Each component that is ready gets its route; those that lead to all come last.
  std::vector<bool> applied;
  for (size_t i = 0; i < mine.size(); ++i) {
    const bool is_top = i >= plan.components.size();
    applied.push_back(is_top ? std::ranges::find(applied, false) == applied.end()
                             : IsComponentReady(object, plan.components[i].kind));
    if (applied[i]) KINGLET_RETURN_IF_ERROR(cluster_.children().Apply(object, mine[i]));
  }
  for (size_t i = 0; i < mine.size(); ++i) {
    kube::ObjectPtr route = cluster_.http_routes().Get(kube::KeyOf(mine[i].object));
    if (!route && !applied[i]) return Entry::kWaiting;
    auto problem = FindRouteProblem(route.get());
    if (!problem) continue;
    std::string_view title = i < plan.components.size() ? ComponentTitle(plan.components[i].kind)
                                                        : std::string_view("TopLevel");
    Conditions(object, clock_)
        .MarkFalse("IngressReady", problem->reason, fmt::format("{} {}", title, problem->message));
    return Entry::kClosed;
  }
  return Entry::kOpen;
}

}  // namespace kinglet::control
