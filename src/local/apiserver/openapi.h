// OpenAPI documents made from the schemas: v2 (JSON, and the protobuf form that older kubectl asks
// for) and v3 (one document a group and version). Enough for kubectl's validation and explain.
#pragma once

#include <string>

#include "base/json.h"
#include "local/apiserver/registry.h"

namespace kinglet::local {

Json OpenApiV2(const Registry& registry);
// The document as a gnostic openapi.v2.Document message.
// https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto
std::string OpenApiV2Protobuf(const Json& document);

Json OpenApiV3Index(const Registry& registry);  // /openapi/v3
// Null where nothing has that group and version.
Json OpenApiV3(const Registry& registry, std::string_view group, std::string_view version);

}  // namespace kinglet::local
