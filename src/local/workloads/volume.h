// How a PersistentVolumeClaim and a PersistentVolume come together. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace kinglet::workloads {

// Why the volume cannot be the claim's; "" where it can, or is already.
std::string WhyNotBound(const Json& claim, const Json& volume);

// Volume.spec.claimRef for the claim.
Json MakeClaimRef(const Json& claim);

// `volume`: the one that the claim names; null where there is none, or it cannot be the claim's.
Json MakeClaimStatus(const Json& claim, const Json* volume);
// `claim`: the one that the volume's claimRef names; null where there is none.
Json MakeVolumeStatus(const Json& volume, const Json* claim);

}  // namespace kinglet::workloads
