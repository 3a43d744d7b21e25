// Confinement of a process that downloads: what it unpacks and parses was made by strangers.
#pragma once

#include <span>
#include <string>

#include "base/confine.h"
#include "storage/environment.h"

namespace kinglet::storage {

// Confines this process (base/confine.h) to what downloads of these URIs need: to read the
// credentials that the environment names and the sources on this machine, and to write the
// destinations. `pairs` is URI, destination, URI, destination, ... A destination that is to be
// staged beside (destination.h) makes its parent folder writable, too. `besides` is what else the
// process needs. Makes the parent folders of destinations. Call it before threads start.
void ConfineDownloads(std::span<const std::string> pairs, Environment environment,
                      Confinement besides = {});

}  // namespace kinglet::storage
