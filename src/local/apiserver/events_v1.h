// events.k8s.io/v1 Event is core/v1 Event under other names; one set of objects is stored (core).
#pragma once

#include "base/json.h"

namespace kinglet::local {

Json EventToEventsV1(Json core);
Json EventFromEventsV1(Json event);

}  // namespace kinglet::local
