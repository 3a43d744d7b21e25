// Credentials for storage, from the secrets of the pod's service account or from the storage
// secret: environment variables and volumes of the container that reads the storage.
#pragma once

#include "admission/pod/pod.h"

namespace kinglet::admission {

// By the secrets of the service account, or the one secret that the pod's annotation names.
Status AddServiceAccountCredentials(Pod& pod, Json& container);
// By an entry of the storage secret (annotations storage-spec-*). May replace the scheme in the
// container's first argument.
Status AddStorageSpecCredentials(Pod& pod, Json& container);

}  // namespace kinglet::admission
