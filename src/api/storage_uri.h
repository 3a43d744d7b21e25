// Which storage URIs an InferenceService may name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "api/v1alpha1/others.h"
#include "base/result.h"

namespace kinglet::api {

// "s3" of "s3://..."; "" where there is none. Lower and upper case stay as written.
std::string_view SchemeOf(std::string_view uri);

// Ok when an enabled storage container (an init container) takes it, when it is a local path, or
// when the storage initializer knows its scheme. The message is KServe's.
Status CheckStorageUri(std::string_view uri, std::span<const ClusterStorageContainer> containers);

}  // namespace kinglet::api
