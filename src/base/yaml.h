// YAML to Json values, by the YAML 1.2 core schema with Kubernetes' reading of it
// (sigs.k8s.io/yaml: true/false only, no octal surprises, quoted scalars are strings). Aliases
// count as what they stand for, within the text's Budget, so that a small file cannot become a
// large value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace kinglet {

Result<Json> ParseYaml(std::string_view text);
// Documents separated by "---"; empty ones are left out. JSON is YAML.
Result<std::vector<Json>> ParseYamlDocuments(std::string_view text);
// Block style, keys sorted, as kubectl -o yaml prints.
std::string DumpYaml(const Json& value);

}  // namespace kinglet
