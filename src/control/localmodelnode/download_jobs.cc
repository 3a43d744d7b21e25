#include "control/localmodelnode/download_jobs.h"

#include "base/log.h"
#include "control/localmodelnode/download_job.h"
#include "kube/object.h"

namespace kinglet::control {

std::string DownloadJobs::Selector() const { return fmt::format("{}={}", kJobNodeLabel, node_); }

Result<std::vector<Json>> DownloadJobs::List(const Json& owner, const std::string& ns) const {
  if (ns.empty()) {
    return Fail(Code::kFailedPrecondition,
                "localModel.jobNamespace of inferenceservice-config is empty: it must name the "
                "namespace of the download jobs");
  }
  kube::ListOptions own;
  own.label_selector = Selector();
  auto found = client_.ListAll(kube::kJob, ns, own);
  if (!found && found.error().code() == Code::kPermissionDenied) {
    return Unexpected(found.error().WithContext(fmt::format(
        "the agent has no rights in namespace {}, which localModel.jobNamespace names: bind "
        "ClusterRole kserve-localmodelnode-agent-jobs-role to its account there",
        ns)));
  }
  if (!found) return found;
  std::erase_if(*found, [&](const Json& job) {
    return kube::IsDeleting(job) || !kube::IsControlledBy(job, owner);
  });
  return found;
}

void DownloadJobs::Watch(const std::string& ns, const std::stop_token& stop) {
  if (watched_ && namespace_ == ns) return;
  namespace_ = ns;
  watched_ = std::make_unique<kube::Informer>(
      client_, kube::kJob,
      kube::InformerOptions{
          .ns = ns, .label_selector = Selector(), .transform = kube::DropManagedFields},
      clock_);
  watched_->AddHandler({.on_add = [this](const auto&, bool) { changed_(); },
                        .on_update = [this](const auto&, const auto&) { changed_(); },
                        .on_delete = [this](const auto&) { changed_(); }});
  watched_->Start(stop);
}

Status DownloadJobs::Delete(const Json& job) const {
  LogInfo("a download job is deleted", {{"job", kube::KeyOf(job).ToString()}});
  return client_.DeleteIfExists(kube::kJob, kube::KeyOf(job),
                                {.propagation = kube::DeleteOptions::Propagation::kBackground});
}

}  // namespace kinglet::control
