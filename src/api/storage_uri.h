// Which storage URIs an InferenceService may name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "api/v1alpha1/others.h"
#include "api/v1beta1/inference_service.h"
#include "base/result.h"

namespace kinglet::api {

// Where the containers see the files of one of several places.
std::string MountPathOf(const StorageUri& place);

// The folder that all of these absolute paths lie in: "/a" of "/a/b" and "/a/c"; "/" where they
// share none, the path itself where there is one, "" where there is none.
std::string CommonParent(std::span<const std::string> paths);

// "s3" of "s3://..."; "" where there is none. Lower and upper case stay as written.
std::string_view SchemeOf(std::string_view uri);

// Whether the URI names files of the machine or container that reads it: a path, file:// or pvc://.
bool NamesLocalFiles(std::string_view uri);

// Ok when an enabled storage container (an init container) takes it, when it is a local path, or
// when the storage initializer knows its scheme. The message is KServe's.
Status CheckStorageUri(std::string_view uri, std::span<const ClusterStorageContainer> containers);

}  // namespace kinglet::api
