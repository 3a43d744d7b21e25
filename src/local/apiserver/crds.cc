// CustomResourceDefinition objects and the registry.
#include <fmt/format.h>

#include "base/log.h"
#include "local/apiserver/api.h"

namespace kinglet::local {

ApiStatus CheckCrd(Api& api, const Json& crd) {
  ErrorTarget target{"customresourcedefinitions", "apiextensions.k8s.io",
                     "CustomResourceDefinition"};
  const std::string& name = crd["metadata"]["name"].AsString();
  std::string wanted =
      crd.At({"spec", "names", "plural"}).AsString() + "." + crd.At({"spec", "group"}).AsString();
  if (name != wanted) {
    return ApiUnexpected(Invalid(
        target, name,
        {InvalidValue("metadata.name", name, "must be spec.names.plural+\".\"+spec.group")}));
  }
  for (const ResourcePtr& resource : api.registry().Get()->resources) {
    if (!resource->custom && resource->group == crd.At({"spec", "group"}).AsString()) {
      return ApiUnexpected(Forbidden(target, name, "the group belongs to a built-in API"));
    }
  }
  auto resources = ResourcesOfCrd(crd, api.registry().schemas());
  if (!resources) {
    return ApiUnexpected(
        Invalid(target, name, {InvalidValue("spec", name, resources.error().message())}));
  }
  return {};
}

void CrdStored(Api& api, const Json& crd) {
  auto resources = ResourcesOfCrd(crd, api.registry().schemas());
  const std::string& name = crd["metadata"]["name"].AsString();
  if (!resources) {
    // Checked before it was stored, so only a database of another version can bring this.
    LogError("a CustomResourceDefinition cannot be served",
             {{"name", name}, {"error", resources.error().message()}});
    return;
  }
  api.registry().SetCrd(name, std::move(*resources));
}

void CrdRemoved(Api& api, const std::string& name) {
  api.registry().SetCrd(name, {});
  // Objects without a definition cannot be reached any more; a CRD's name is their storage key.
  for (const RecordPtr& record : api.store().List(name, "").records) {
    auto gone = api.store().Delete(name, record->ref, record->resource_version);
    if (!gone) {
      LogWarning(
          "an object of a removed definition stays",
          {{"resource", name}, {"name", record->ref.name}, {"error", gone.error().message()}});
    }
  }
}

void SetCrdStatus(Json& crd) {
  const Json& old = crd["status"];
  Json status = Json::MakeObject();
  status.Set("acceptedNames", crd.At({"spec", "names"}));
  Json stored = Json::MakeArray();
  for (const Json& version : crd.At({"spec", "versions"}).AsArray()) {
    if (version["storage"].AsBool()) stored.Push(version["name"]);
  }
  status.Set("storedVersions", std::move(stored));
  std::string since = old["conditions"][0]["lastTransitionTime"].StringOr(NowRfc3339());
  auto condition = [&](std::string_view type, std::string_view reason, std::string_view message) {
    return Json::MakeObject({{"type", type},
                             {"status", "True"},
                             {"reason", reason},
                             {"message", message},
                             {"lastTransitionTime", since}});
  };
  status.Set("conditions",
             Json::MakeArray({condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                              condition("Established", "InitialNamesAccepted",
                                        "the initial names have been accepted")}));
  crd.Set("status", std::move(status));
}

}  // namespace kinglet::local
