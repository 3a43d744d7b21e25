// The Job that downloads a model to a node. Pure.
#pragma once

#include <string>
#include <vector>

#include "api/config.h"
#include "api/v1alpha1/others.h"
#include "base/json.h"
#include "base/result.h"
#include "control/localmodel/model.h"

namespace kinglet::control {

inline constexpr std::string_view kJobModelLabel = "model";
inline constexpr std::string_view kJobNodeLabel = "node";
inline constexpr std::string_view kJobModelNamespaceLabel = "modelNamespace";

// The enabled container for download jobs that takes the URI (the first by name); else one with
// config's defaultJobImage. kInvalidArgument where a container's regular expression is broken.
Result<Json> DownloadContainer(const std::vector<Json>& storage_containers, const std::string& uri,
                               const api::LocalModelConfig& config);

// Whether the model may come from there. The files of the download's own container, and the claims
// of the jobs' namespace, are the administrator's: no LocalModelNamespaceCache gets them.
// kPermissionDenied.
Status CheckSource(const kube::ObjectKey& model, const std::string& uri);

struct DownloadJob {
  kube::ObjectKey model;
  std::string uri, service_account, node, claim;
  // What the model may take, in bytes: the node group's storageLimit. Zero: no limit. Our storage
  // initializer stops there, before the disk that others use is full.
  int64_t max_bytes = 0;
  // Lets the scheduler put the pod onto the node, which binds a claim that waits for its first pod.
  bool scheduled = false;
};

// Without an owner.
Json MakeDownloadJob(const DownloadJob& wish, Json container, const api::LocalModelConfig& config);

kube::ObjectKey ModelOfJob(const Json& job);
// ModelDownloaded, ModelDownloadError, ModelDownloading or ModelDownloadPending.
std::string ModelStateOfJob(const Json& job);
// Nothing will come of it any more, or everything has.
bool IsJobOver(const Json& job);
// The one that was made last; null where there is none.
const Json* LatestJob(const std::vector<const Json*>& jobs);

}  // namespace kinglet::control
