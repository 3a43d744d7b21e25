// Which resources are served: the built-in ones and those of CustomResourceDefinitions. A registry
// is an immutable snapshot; a changed CRD makes a new one.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "local/apiserver/schema.h"
#include "local/apiserver/status.h"

namespace kinglet::local {

struct PrinterColumn {
  std::string name, type, format, description, json_path;
  int64_t priority = 0;
};

struct Resource {
  std::string group, version, plural, singular, kind, list_kind;
  std::vector<std::string> short_names, categories, verbs;
  bool namespaced = true;
  bool custom = false;
  bool has_status = false;
  bool has_generation = false;  // bumped when anything but metadata and status changes
  // scale subresource: paths as in CRDs, ".spec.replicas"; empty: none.
  std::string scale_spec_path, scale_status_path, scale_selector_path;
  bool scale_selector_is_object = false;  // a LabelSelector (Deployment), not its text
  SchemaPtr schema;
  std::vector<PrinterColumn> columns;  // of custom resources
  std::string storage_version;         // as stored
  std::string deprecation_warning;

  bool has_scale() const { return !scale_spec_path.empty(); }
  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
  std::string StorageApiVersion() const {
    return group.empty() ? storage_version : group + "/" + storage_version;
  }
  // The store's key: one for all versions.
  std::string StorageKey() const;
  std::string GroupResource() const { return group.empty() ? plural : plural + "." + group; }
  ErrorTarget Target() const { return {plural, group, kind}; }
};
using ResourcePtr = std::shared_ptr<const Resource>;

struct Registry {
  std::vector<ResourcePtr> resources;  // by group and version preference
  SchemaTable schemas;                 // built-in types

  ResourcePtr Find(std::string_view group, std::string_view version, std::string_view plural) const;
  // Any served version of what is stored under the key, the storage version first.
  ResourcePtr ByStorageKey(std::string_view key) const;
  ResourcePtr ByKind(std::string_view group, std::string_view version, std::string_view kind) const;
  // group -> versions, the preferred first.
  std::vector<std::pair<std::string, std::vector<std::string>>> Groups() const;
};
using RegistryPtr = std::shared_ptr<const Registry>;

// The built-in resources.
std::vector<ResourcePtr> BuiltinResources(const SchemaTable& schemas);

// The served versions of a CRD document. Invalid documents say what is wrong.
Result<std::vector<ResourcePtr>> ResourcesOfCrd(const Json& crd, const SchemaTable& schemas);

// Holds the current snapshot. Thread-safe.
class RegistryHolder {
 public:
  explicit RegistryHolder(SchemaTable schemas);
  RegistryPtr Get() const;
  // Replaces what a CRD (by its name) defines. Empty resources: removes it.
  void SetCrd(const std::string& name, std::vector<ResourcePtr> resources);
  const SchemaTable& schemas() const { return schemas_; }

 private:
  void Rebuild();
  const SchemaTable schemas_;
  const std::vector<ResourcePtr> builtin_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<ResourcePtr>> crds_;  // under mutex_
  RegistryPtr snapshot_;                                  // under mutex_
};

}  // namespace kinglet::local
