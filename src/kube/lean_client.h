// The client of controllers.
#pragma once

#include <memory>
#include <stop_token>

#include "kube/client.h"

namespace kinglet::kube {

// As MakeClient, but answers and events come without metadata.managedFields, which is half of many
// objects and which no controller asks about.
Result<std::unique_ptr<Client>> MakeLeanClient(ClientConfig config, std::stop_token stop = {});

}  // namespace kinglet::kube
