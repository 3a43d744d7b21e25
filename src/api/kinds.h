// The kinds of serving.kserve.io and their custom resource definitions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/descriptor.h"

namespace kinglet::api {

struct PrinterColumn {
  std::string_view name, type, json_path;
};

struct KindInfo {
  std::string_view kind, plural, singular, version;
  std::vector<std::string_view> short_names;
  bool namespaced = true;
  bool status_subresource = false;
  std::vector<PrinterColumn> columns;
  Json (*schema)();                     // of the whole object
  Status (*check)(const Json& object);  // strict decoding of spec
};

std::span<const KindInfo> Kinds();
const KindInfo* FindKind(std::string_view kind);

// The CustomResourceDefinition, as `config/crd` has it.
Json CustomResourceDefinition(const KindInfo& kind);
// "serving.kserve.io_inferenceservices.yaml".
std::string CrdFileName(const KindInfo& kind);

}  // namespace kinglet::api
