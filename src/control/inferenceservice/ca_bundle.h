// The CA bundle that storage initializers trust, copied into the namespaces that need it.
#pragma once

#include <string_view>

#include "api/config.h"
#include "kube/client.h"

namespace kinglet::control {

// Brings ConfigMap global-ca-bundle of `ns` to what the ConfigMap named in
// storageInitializer.caBundleConfigMapName (of `config_namespace`) holds. Nothing happens where
// none is named. The copy belongs to the namespace, not to one InferenceService.
Status CopyCaBundle(kube::Client& client, const api::Config& config,
                    std::string_view config_namespace, std::string_view ns);

}  // namespace kinglet::control
