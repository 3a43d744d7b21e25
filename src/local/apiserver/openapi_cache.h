// OpenAPI documents as text, made once for each set of kinds that is served.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "local/apiserver/registry.h"

namespace kinglet::local {

struct OpenApiDocument {
  std::string content_type, text;
  std::string etag;  // with its quotes
};

// Thread-safe.
class OpenApiCache {
 public:
  // The document of an /openapi/... path; null where there is none. Making one takes up to some
  // tens of milliseconds, the first time.
  std::shared_ptr<const OpenApiDocument> Get(const RegistryPtr& registry, const std::string& path,
                                             bool protobuf);

 private:
  struct State {
    RegistryPtr registry;  // whose documents these are
    std::map<std::string, std::shared_ptr<const OpenApiDocument>> documents;
  };
  Guarded<State> state_;
};

}  // namespace kinglet::local
