// Kubernetes objects are Json values; these functions read and write their metadata.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::kube {

// types.NamespacedName. `ns` is empty for cluster-scoped objects.
struct ObjectKey {
  std::string ns;
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
  std::string ToString() const;  // "ns/name", or "name" without a namespace
  // The reverse of ToString. kInvalidArgument for empty parts or more than one slash.
  static Result<ObjectKey> Parse(std::string_view text);
};

struct GroupVersionKind {
  std::string group, version, kind;

  auto operator<=>(const GroupVersionKind&) const = default;
  std::string ApiVersion() const;  // "v1", "apps/v1"
};

// Reading: empty or 0 where the field is missing or of another type. References live as long as
// the object.
const std::string& Name(const Json& object);
const std::string& Namespace(const Json& object);
const std::string& Uid(const Json& object);
const std::string& ResourceVersion(const Json& object);
const std::string& ApiVersion(const Json& object);
const std::string& Kind(const Json& object);
int64_t Generation(const Json& object);
const Json& Labels(const Json& object);
const Json& Annotations(const Json& object);
const std::string& Label(const Json& object, std::string_view key);
const std::string& Annotation(const Json& object, std::string_view key);
const std::string& CreationTimestamp(const Json& object);
const std::string& DeletionTimestamp(const Json& object);
bool IsDeleting(const Json& object);  // has a deletionTimestamp
ObjectKey KeyOf(const Json& object);
GroupVersionKind GvkOf(const Json& object);
// Splits an apiVersion. "v1" has the empty group.
GroupVersionKind MakeGvk(std::string_view api_version, std::string_view kind);

// Writing.
void SetLabel(Json& object, std::string_view key, std::string_view value);
void SetAnnotation(Json& object, std::string_view key, std::string_view value);
// {apiVersion, kind, metadata: {name, namespace}}; namespace left out when empty.
Json MakeObjectMeta(std::string_view api_version, std::string_view kind, const ObjectKey& key);

// Owners.
// The owner reference with controller: true, or null.
const Json* ControllerOf(const Json& object);
// Drops what only field managers read; a transform for informers.
void DropManagedFields(Json& object);
// {metadata: {name, namespace, uid, resourceVersion}}: all that a store needs of an object.
Json Identity(const Json& object);
bool IsOwnedBy(const Json& object, std::string_view uid);    // any reference
bool IsControlledBy(const Json& object, const Json& owner);  // by uid
// {apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true}
Json MakeControllerReference(const Json& owner);
Json MakeOwnerReference(const Json& owner);  // without controller and blockOwnerDeletion
// Adds or refreshes the controller reference. kAlreadyExists when another object controls it;
// kInvalidArgument across namespaces.
Status SetControllerReference(Json& object, const Json& owner);

// Finalizers. True when something changed.
bool HasFinalizer(const Json& object, std::string_view finalizer);
bool AddFinalizer(Json& object, std::string_view finalizer);
bool RemoveFinalizer(Json& object, std::string_view finalizer);

// Equality as a controller sees it: without resourceVersion, generation, managedFields, uid,
// creationTimestamp, selfLink; missing, null and empty maps and lists are the same. Used to tell
// whether a write would change anything.
bool SemanticallyEqual(const Json& a, const Json& b);

// RFC 1123 checks. The error tells what is wrong in the API server's words.
Status CheckDnsSubdomain(std::string_view name);
Status CheckDnsLabel(std::string_view name);

}  // namespace kinglet::kube
