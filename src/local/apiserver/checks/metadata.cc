#include <fmt/format.h>

#include "local/apiserver/api.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

constexpr size_t kMaxAnnotations = 256 << 10;

std::string CheckName(const Resource& resource, std::string_view name) {
  if (resource.kind == "Namespace" && !resource.custom) return CheckLabel(name);
  if (resource.kind == "Service" && !resource.custom) return CheckLabel1035(name);
  if (resource.group == "rbac.authorization.k8s.io") return CheckPathSegment(name);
  return CheckSubdomain(name);
}

}  // namespace

void ValidateMetadata(const Resource& resource, const Json& object,
                      std::vector<FieldError>& errors) {
  const Json& meta = object["metadata"];
  const std::string& name = meta["name"].AsString();
  if (name.empty()) {
    errors.push_back(RequiredValue("metadata.name", "name or generateName is required"));
  } else if (std::string why = CheckName(resource, name); !why.empty()) {
    errors.push_back(InvalidValue("metadata.name", name, why));
  }
  for (const auto& [key, value] : meta["labels"].AsObject()) {
    if (std::string why = CheckQualifiedName(key); !why.empty()) {
      errors.push_back(InvalidValue("metadata.labels", key, why));
    }
    if (std::string why = CheckLabelValue(value.AsString()); !why.empty()) {
      errors.push_back(InvalidValue("metadata.labels", value, why));
    }
  }
  size_t size = 0;
  for (const auto& [key, value] : meta["annotations"].AsObject()) {
    std::string lower = key;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::string why = CheckQualifiedName(lower); !why.empty()) {
      errors.push_back(InvalidValue("metadata.annotations", key, why));
    }
    size += key.size() + value.AsString().size();
  }
  if (size > kMaxAnnotations) {
    errors.push_back(TooLongValue("metadata.annotations", static_cast<int64_t>(kMaxAnnotations)));
  }
  const Json& finalizers = meta["finalizers"];
  for (size_t i = 0; i < finalizers.size(); ++i) {
    if (std::string why = CheckQualifiedName(finalizers[i].AsString()); !why.empty()) {
      errors.push_back(InvalidValue("metadata.finalizers", finalizers[i], why));
    }
  }
  const Json& owners = meta["ownerReferences"];
  bool controlled = false;
  for (size_t i = 0; i < owners.size(); ++i) {
    std::string path = fmt::format("metadata.ownerReferences[{}]", i);
    for (const char* key : {"apiVersion", "kind", "name", "uid"}) {
      if (owners[i][key].AsString().empty()) {
        errors.push_back(
            InvalidValue(path + "." + key, "", fmt::format("{} must not be empty", key)));
      }
    }
    if (owners[i]["controller"].AsBool()) {
      if (controlled) {
        errors.push_back(InvalidValue("metadata.ownerReferences", Json::MakeArray(),
                                      "Only one reference can have Controller set to true."));
      }
      controlled = true;
    }
  }
}

}  // namespace kinglet::local
