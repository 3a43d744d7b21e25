// The objects a standalone installation always has: the kserve namespace, the configuration and
// the serving runtimes of config/, with this installation's gateway in them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::standalone {

// CRD documents of config/crd.
Result<std::vector<Json>> EmbeddedCrds();

// Creates what is missing and updates what an older version wrote. Runtimes that the user changed are
// overwritten only when this version brings another text than the one last written.
Status SeedObjects(kube::Client& client, const std::string& gateway_authority);

}  // namespace kinglet::standalone
