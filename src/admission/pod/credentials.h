// Credentials for a container of the pod, as its annotations and service account say.
#pragma once

#include "admission/pod/pod.h"

namespace kinglet::admission {

// By the secrets of the service account, or the one secret that the pod's annotation names.
Status AddServiceAccountCredentials(Pod& pod, Json& container);
// By an entry of the storage secret (annotations storage-spec-*).
Status AddStorageSpecCredentials(Pod& pod, Json& container);

}  // namespace kinglet::admission
