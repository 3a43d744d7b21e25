#include "control/localmodelnode/node_report.h"

#include "base/log.h"
#include "kube/apply.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::control {

namespace {

constexpr std::string_view kStates = "modelStatus", kReasons = "modelReasons";

}  // namespace

Status NodeReport::Write(const Json& object, const std::vector<ModelReport>& models) {
  Json states = Json::MakeObject(), reasons = Json::MakeObject();
  for (const ModelReport& model : models) {
    states.Set(model.name, model.state);
    if (!model.reason.empty()) reasons.Set(model.name, model.reason);
  }
  // A definition without the reasons does not keep them: that must not be a change each time.
  if (!told_) {
    const Json& there = object["status"][kReasons];
    told_ = there.IsObject() ? there : Json::MakeObject();
  }
  const Json& seen = object["status"][kStates];
  const bool same = seen == states || (seen.empty() && states.empty());
  if (same && *told_ == reasons) return {};
  auto written = kube::UpdateStatusWithRetry(client_, kube::kLocalModelNode, kube::KeyOf(object),
                                             [&](Json& latest) {
                                               Json& status = latest.Ref("status");
                                               status.Set(kStates, states);
                                               if (reasons.empty()) {
                                                 status.Erase(kReasons);
                                               } else {
                                                 status.Set(kReasons, reasons);
                                               }
                                               return true;
                                             });
  if (!written) {
    if (written.error().code() == Code::kNotFound) return {};
    return Unexpected(written.error());
  }
  for (const auto& [name, reason] : reasons.AsObject()) {
    if ((*told_)[name] != reason) {
      events_.Warning(object, states[name].AsString(),
                      fmt::format("{}: {}", name, reason.AsString()));
    }
  }
  told_ = std::move(reasons);
  return {};
}

}  // namespace kinglet::control
