// Images that are used if the configuration names none.
#pragma once

#include <string_view>

#include "base/version.h"

namespace kinglet::api {

// Of this version: a configuration without an image must not run whatever was pushed last.
inline constexpr std::string_view kDefaultStorageInitializerImage =
    "kserve/storage-initializer:v" KINGLET_VERSION;

}  // namespace kinglet::api
