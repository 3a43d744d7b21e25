// The public URL of an InferenceService in Serverless mode, from the one that Knative gave to its
// front component. Pure; texts as Knative writes them.
#pragma once

#include <string>
#include <string_view>

#include "control/inferenceservice/component.h"

namespace kinglet::control {

// "host" or "host:port" of "scheme://host:port/path".
std::string_view HostOfUrl(std::string_view url);

// The URL under another scheme.
std::string WithScheme(std::string_view url, std::string_view scheme);

// A host or a URL without its first "-<component>" (or "-<component>-default", the old names).
std::string WithoutComponent(std::string text, ComponentKind front);

}  // namespace kinglet::control
