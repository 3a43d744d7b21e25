#include "kube/object.h"

#include <algorithm>
#include <array>

namespace kinglet::kube {
namespace {

const Json& Meta(const Json& object, std::string_view field) { return object["metadata"][field]; }

bool IsEmptyValue(const Json& value) {
  return value.IsNull() || ((value.IsObject() || value.IsArray()) && value.empty());
}

constexpr std::array<std::string_view, 6> kServerFields = {
    "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"};

bool IsServerField(std::string_view name) {
  return std::find(kServerFields.begin(), kServerFields.end(), name) != kServerFields.end();
}

bool Equal(const Json& a, const Json& b, bool metadata);

bool Covers(const Json& a, const Json& b, bool root, bool metadata) {
  for (const auto& [key, value] : a.AsObject()) {
    if (metadata && IsServerField(key)) continue;
    if (!Equal(value, b[key], root && key == "metadata")) return false;
  }
  return true;
}

bool EqualNode(const Json& a, const Json& b, bool root, bool metadata) {
  if (IsEmptyValue(a) && IsEmptyValue(b)) return true;
  if (a.IsObject() || b.IsObject()) {
    if ((!a.IsObject() && !IsEmptyValue(a)) || (!b.IsObject() && !IsEmptyValue(b))) return false;
    return Covers(a, b, root, metadata) && Covers(b, a, root, metadata);
  }
  if (a.IsArray() && b.IsArray()) {
    const auto& x = a.AsArray();
    const auto& y = b.AsArray();
    return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                      [](const Json& p, const Json& q) { return Equal(p, q, false); });
  }
  return a == b;
}

bool Equal(const Json& a, const Json& b, bool metadata) { return EqualNode(a, b, false, metadata); }

Json OwnerReference(const Json& owner) {
  return Json::MakeObject({{"apiVersion", ApiVersion(owner)},
                           {"kind", Kind(owner)},
                           {"name", Name(owner)},
                           {"uid", Uid(owner)}});
}

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsDnsLabel(std::string_view text) {
  if (text.empty() || !IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

}  // namespace

std::string ObjectKey::ToString() const { return ns.empty() ? name : ns + "/" + name; }

Result<ObjectKey> ObjectKey::Parse(std::string_view text) {
  size_t slash = text.find('/');
  ObjectKey key;
  if (slash == std::string_view::npos) {
    key.name = text;
  } else {
    key.ns = text.substr(0, slash);
    key.name = text.substr(slash + 1);
  }
  if (key.name.empty() || (slash != std::string_view::npos && key.ns.empty()) ||
      key.name.find('/') != std::string::npos) {
    return Fail(Code::kInvalidArgument, "\"{}\" is not a name or namespace/name", text);
  }
  return key;
}

std::string GroupVersionKind::ApiVersion() const {
  return group.empty() ? version : group + "/" + version;
}

const std::string& Name(const Json& object) { return Meta(object, "name").AsString(); }
const std::string& Namespace(const Json& object) { return Meta(object, "namespace").AsString(); }
const std::string& Uid(const Json& object) { return Meta(object, "uid").AsString(); }
const std::string& ResourceVersion(const Json& object) {
  return Meta(object, "resourceVersion").AsString();
}
const std::string& ApiVersion(const Json& object) { return object["apiVersion"].AsString(); }
const std::string& Kind(const Json& object) { return object["kind"].AsString(); }
int64_t Generation(const Json& object) { return Meta(object, "generation").AsInt(); }
const Json& Labels(const Json& object) { return Meta(object, "labels"); }
const Json& Annotations(const Json& object) { return Meta(object, "annotations"); }
const std::string& Label(const Json& object, std::string_view key) {
  return Labels(object)[key].AsString();
}
const std::string& Annotation(const Json& object, std::string_view key) {
  return Annotations(object)[key].AsString();
}
const std::string& CreationTimestamp(const Json& object) {
  return Meta(object, "creationTimestamp").AsString();
}
const std::string& DeletionTimestamp(const Json& object) {
  return Meta(object, "deletionTimestamp").AsString();
}
bool IsDeleting(const Json& object) { return !DeletionTimestamp(object).empty(); }
ObjectKey KeyOf(const Json& object) { return {Namespace(object), Name(object)}; }
GroupVersionKind GvkOf(const Json& object) { return MakeGvk(ApiVersion(object), Kind(object)); }

GroupVersionKind MakeGvk(std::string_view api_version, std::string_view kind) {
  size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) return {"", std::string(api_version), std::string(kind)};
  return {std::string(api_version.substr(0, slash)), std::string(api_version.substr(slash + 1)),
          std::string(kind)};
}

void SetLabel(Json& object, std::string_view key, std::string_view value) {
  object.Path({"metadata", "labels"}).Set(key, value);
}
void SetAnnotation(Json& object, std::string_view key, std::string_view value) {
  object.Path({"metadata", "annotations"}).Set(key, value);
}

Json MakeObjectMeta(std::string_view api_version, std::string_view kind, const ObjectKey& key) {
  Json metadata = Json::MakeObject({{"name", key.name}});
  if (!key.ns.empty()) metadata.Set("namespace", key.ns);
  return Json::MakeObject(
      {{"apiVersion", api_version}, {"kind", kind}, {"metadata", std::move(metadata)}});
}

const Json* ControllerOf(const Json& object) {
  for (const Json& reference : Meta(object, "ownerReferences").AsArray()) {
    if (reference["controller"].AsBool()) return &reference;
  }
  return nullptr;
}

bool IsOwnedBy(const Json& object, std::string_view uid) {
  for (const Json& reference : Meta(object, "ownerReferences").AsArray()) {
    if (reference["uid"].AsString() == uid) return true;
  }
  return false;
}

bool IsControlledBy(const Json& object, const Json& owner) {
  const Json* reference = ControllerOf(object);
  return reference && !Uid(owner).empty() && (*reference)["uid"].AsString() == Uid(owner);
}

Json MakeControllerReference(const Json& owner) {
  Json reference = OwnerReference(owner);
  reference.Set("controller", true);
  reference.Set("blockOwnerDeletion", true);
  return reference;
}

Json MakeOwnerReference(const Json& owner) { return OwnerReference(owner); }

Status SetControllerReference(Json& object, const Json& owner) {
  if (!Namespace(owner).empty() && Namespace(owner) != Namespace(object)) {
    return Fail(Code::kInvalidArgument,
                "cross-namespace owner references are disallowed, owner's namespace {}, object's "
                "namespace {}",
                Namespace(owner), Namespace(object));
  }
  if (const Json* current = ControllerOf(object);
      current && (*current)["uid"].AsString() != Uid(owner)) {
    return Fail(Code::kAlreadyExists, "Object {} is already owned by another {} controller {}",
                KeyOf(object).ToString(), (*current)["kind"].AsString(),
                (*current)["name"].AsString());
  }
  Json& references = object.Path({"metadata", "ownerReferences"});
  if (references.IsNull()) references = Json::MakeArray();
  for (Json& reference : references.MutableArray()) {
    if (reference["uid"].AsString() == Uid(owner)) {
      reference = MakeControllerReference(owner);
      return {};
    }
  }
  references.Push(MakeControllerReference(owner));
  return {};
}

bool HasFinalizer(const Json& object, std::string_view finalizer) {
  const auto& list = Meta(object, "finalizers").AsArray();
  return std::any_of(list.begin(), list.end(),
                     [&](const Json& item) { return item.AsString() == finalizer; });
}

bool AddFinalizer(Json& object, std::string_view finalizer) {
  if (HasFinalizer(object, finalizer)) return false;
  object.Path({"metadata", "finalizers"}).Push(finalizer);
  return true;
}

bool RemoveFinalizer(Json& object, std::string_view finalizer) {
  if (!HasFinalizer(object, finalizer)) return false;
  Json& list = object.Path({"metadata", "finalizers"});
  std::erase_if(list.MutableArray(),
                [&](const Json& item) { return item.AsString() == finalizer; });
  if (list.empty()) object.Ref("metadata").Erase("finalizers");
  return true;
}

bool SemanticallyEqual(const Json& a, const Json& b) { return EqualNode(a, b, true, false); }

Status CheckDnsSubdomain(std::string_view name) {
  if (name.size() > 253) {
    return Fail(Code::kInvalidArgument, "must be no more than 253 characters");
  }
  bool good = !name.empty();
  for (size_t start = 0; good && start <= name.size();) {
    size_t dot = std::min(name.find('.', start), name.size());
    good = IsDnsLabel(name.substr(start, dot - start));
    start = dot + 1;
  }
  if (good) return {};
  return Fail(Code::kInvalidArgument,
              "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
              "'-' or '.', and must start and end with an alphanumeric character (e.g. "
              "'example.com', regex used for validation is "
              "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
}

Status CheckDnsLabel(std::string_view name) {
  if (name.size() > 63) return Fail(Code::kInvalidArgument, "must be no more than 63 characters");
  if (IsDnsLabel(name)) return {};
  return Fail(Code::kInvalidArgument,
              "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
              "'-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
              "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
}

void DropManagedFields(Json& object) { object.Ref("metadata").Erase("managedFields"); }

Json Identity(const Json& object) {
  const Json& metadata = object["metadata"];
  Json kept = Json::MakeObject();
  for (auto field : {"name", "namespace", "uid", "resourceVersion"}) {
    kept.Set(field, metadata[field]);
  }
  return Json::MakeObject({{"metadata", std::move(kept)}});
}

}  // namespace kinglet::kube
