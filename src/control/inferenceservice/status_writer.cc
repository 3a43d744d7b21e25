#include "control/inferenceservice/status_writer.h"

#include "control/inferenceservice/status.h"
#include "kube/apply.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::control {

Status StatusWriter::Write(const Json& before, const Json& object, OnConflict on_conflict) {
  if (object["status"] == before["status"]) return {};
  bool was_ready = kube::IsConditionTrue(before, "Ready");
  auto written = client_.UpdateStatus(kube::kInferenceService, object);
  const bool conflict = !written && written.error().code() == Code::kAborted;
  if (conflict && on_conflict == OnConflict::kWriteOver) {
    // The object changed meanwhile: this status is of what was, the next pass tells the rest.
    written = kube::UpdateStatusWithRetry(client_, kube::kInferenceService, kube::KeyOf(object),
                                          [&](Json& latest) {
                                            was_ready = kube::IsConditionTrue(latest, "Ready");
                                            if (latest["status"] == object["status"]) return false;
                                            latest.Set("status", object["status"]);
                                            return true;
                                          });
  }
  if (!written) {
    if (written.error().code() == Code::kNotFound) return {};
    events_.Warning(object, "UpdateFailed",
                    fmt::format("Failed to update status for InferenceService \"{}\": {}",
                                kube::Name(object), written.error().message()));
    return Unexpected(written.error());
  }
  if (!was_ready && kube::IsConditionTrue(object, "Ready")) {
    events_.Normal(object, "InferenceServiceReady",
                   fmt::format("InferenceService [{}] is Ready", kube::Name(object)));
  } else if (was_ready && kube::IsConditionFalse(object, "Ready")) {
    events_.Warning(object, "InferenceServiceNotReady",
                    fmt::format("InferenceService [{}] is no longer Ready because of: {}",
                                kube::Name(object), FalseConditions(object)));
  }
  return {};
}

}  // namespace kinglet::control
