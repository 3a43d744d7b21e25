// GET /openapi.json and GET /docs.
#pragma once

#include <string>

namespace kinglet::server {

// OpenAPI 3.1 of the routes in routes.h, with the V1 and V2 request and response schemas.
std::string OpenApiDocument();
// A page that lists them.
std::string DocsPage();

}  // namespace kinglet::server
