#include "control/localmodelnode/node_report.h"

#include <map>
#include <string_view>

#include "base/log.h"
#include "kube/apply.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::control {

namespace {

constexpr size_t kMaxReason = 2048, kMaxReasonsOfNamespace = 64 << 10;
constexpr std::string_view kStates = "modelStatus", kReasons = "modelReasons";

}  // namespace

Status NodeReport::Write(const Json& object, const std::vector<ModelReport>& models) {
  Json states = Json::MakeObject(), reasons = Json::MakeObject();
  std::map<std::string_view, size_t> bytes;  // of reasons, by namespace
  for (const ModelReport& model : models) {
    states.Set(model.name, model.state);
    if (model.reason.empty()) continue;
    std::string reason = model.reason.substr(0, kMaxReason);
    // The report of all namespaces is one object, whose size is limited.
    const std::string_view name = model.name;
    const size_t slash = name.find('/');
    if (slash != std::string_view::npos &&
        (bytes[name.substr(0, slash)] += reason.size()) > kMaxReasonsOfNamespace) {
      continue;
    }
    reasons.Set(model.name, std::move(reason));
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
