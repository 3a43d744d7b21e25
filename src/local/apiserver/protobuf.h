// application/vnd.kubernetes.protobuf bodies of built-in kinds: what typed Go clients send
// (`kubectl create namespace` and the like). Answers are JSON, which all of them accept.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representation-of-resources
#pragma once

#include <functional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "local/apiserver/schema.h"

namespace kinglet::local {

// The schema of an apiVersion and kind; null when unknown.
using SchemaFinder =
    std::function<const Schema*(std::string_view api_version, std::string_view kind)>;

// The object, with apiVersion and kind. Zero values are left out where JSON would leave them out.
Result<Json> DecodeKubernetesProtobuf(std::string_view bytes, const SchemaFinder& find);

}  // namespace kinglet::local
