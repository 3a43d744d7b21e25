// Runs Jobs: makes their pods, counts what becomes of them, deletes Jobs whose time is over.
#pragma once

#include <stop_token>

#include "base/clock.h"
#include "base/metrics.h"
#include "kube/client.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/informer.h"
#include "local/workloads/expectations.h"

namespace kinglet::workloads {

struct JobPlan;

class JobController {
 public:
  // The references must outlive it.
  JobController(kube::Client& client, kube::InformerFactory& factory, kube::EventRecorder& events,
                const Clock& clock, MetricsRegistry* metrics);

  void Start(std::stop_token stop) { controller_.Start(std::move(stop)); }
  void Join() { controller_.Join(); }

 private:
  Result<kube::ReconcileResult> Reconcile(const kube::ObjectKey& key);
  // Also of Jobs that had that name before.
  std::vector<kube::ObjectPtr> PodsOf(const kube::ObjectKey& key) const;
  Status Apply(const kube::ObjectKey& key, Json job, const JobPlan& plan);
  Status Free(const Json& pod);

  kube::Client& client_;
  kube::EventRecorder& events_;
  const Clock& clock_;
  kube::Informer &jobs_, &pods_;
  Expectations expectations_;
  kube::Controller controller_;  // last: its threads use what is above
};

}  // namespace kinglet::workloads
