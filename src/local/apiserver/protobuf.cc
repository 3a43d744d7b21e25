#include "local/apiserver/protobuf.h"

#include <algorithm>

#include "base/clock.h"
#include "base/encoding.h"

namespace kinglet::local {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::string_view kMagic("k8s\0", 4);

// Pointers in Go: zero is a value of its own. For all others zero is the same as absent.
constexpr std::string_view kPointers[] = {"replicas",
                                          "parallelism",
                                          "completions",
                                          "backoffLimit",
                                          "ttlSecondsAfterFinished",
                                          "activeDeadlineSeconds",
                                          "terminationGracePeriodSeconds",
                                          "gracePeriodSeconds",
                                          "revisionHistoryLimit",
                                          "minReplicas",
                                          "stabilizationWindowSeconds",
                                          "runAsUser",
                                          "runAsGroup",
                                          "fsGroup",
                                          "automountServiceAccountToken",
                                          "enableServiceLinks",
                                          "optional",
                                          "orphanDependents",
                                          "suspend",
                                          "allowPrivilegeEscalation",
                                          "privileged",
                                          "runAsNonRoot",
                                          "readOnlyRootFilesystem",
                                          "immutable",
                                          "controller",
                                          "blockOwnerDeletion",
                                          "partition"};

struct Field {
  uint64_t number = 0;
  int wire = 0;
  uint64_t value = 0;      // wire type 0
  std::string_view bytes;  // wire type 2
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool done() const { return rest_.empty(); }

  Result<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return Fail(Code::kInvalidArgument, "protobuf: a number is cut or too long");
  }

  Result<Field> Next() {
    KINGLET_TRY(uint64_t tag, Varint());
    Field field{.number = tag >> 3, .wire = static_cast<int>(tag & 7)};
    size_t length = 0;
    if (field.wire == 0) {
      KINGLET_TRY(field.value, Varint());
      return field;
    } else if (field.wire == 1) {
      length = 8;
    } else if (field.wire == 5) {
      length = 4;
    } else if (field.wire == 2) {
      KINGLET_TRY(uint64_t given, Varint());
      if (given > rest_.size()) return Fail(Code::kInvalidArgument, "protobuf: a field is cut");
      length = static_cast<size_t>(given);
    } else {
      return Fail(Code::kInvalidArgument, "protobuf: wire type {} is unknown", field.wire);
    }
    if (length > rest_.size()) return Fail(Code::kInvalidArgument, "protobuf: a field is cut");
    field.bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return field;
  }

 private:
  std::string_view rest_;
};

// Field 1 (or another) of a small message; absent ones are zero.
Result<Field> Only(std::string_view message, uint64_t number) {
  Reader reader(message);
  Field found;
  while (!reader.done()) {
    KINGLET_TRY(Field field, reader.Next());
    if (field.number == number) found = field;
  }
  return found;
}

Result<Json> Time(std::string_view message, bool micro) {
  if (message.empty()) return Json();
  KINGLET_TRY(Field seconds, Only(message, 1));
  KINGLET_TRY(Field nanos, Only(message, 2));
  auto since = static_cast<int64_t>(seconds.value);
  constexpr int64_t kYear1 = -62135596800, kYear9999 = 253402300799;
  if (since <= kYear1 || since > kYear9999) return Json();
  WallTime time{std::chrono::seconds(since)};
  if (!micro) return Json(FormatRfc3339(time));
  auto more = std::chrono::nanoseconds(static_cast<int64_t>(nanos.value % 1'000'000'000));
  return Json(FormatRfc3339Micro(time + std::chrono::duration_cast<WallTime::duration>(more)));
}

Result<Json> IntOrString(std::string_view message) {
  KINGLET_TRY(Field type, Only(message, 1));
  if (type.value == 1) {
    KINGLET_TRY(Field text, Only(message, 3));
    return Json(text.bytes);
  }
  KINGLET_TRY(Field number, Only(message, 2));
  return Json(static_cast<int64_t>(static_cast<int32_t>(number.value)));
}

Result<Json> Message(const Schema& schema, std::string_view bytes, int depth);

Result<Json> Value(const Schema& schema, const Field& field, int depth) {
  using Type = Schema::Type;
  bool message = field.wire == 2;
  auto mismatch = [&] {
    return Fail(Code::kInvalidArgument, "protobuf: field {} has another type", field.number);
  };
  switch (schema.type) {
    case Type::kString:
      if (!message) return mismatch();
      if (schema.format == "byte") return Json(Base64Encode(field.bytes));
      if (schema.format == "date-time") return Time(field.bytes, false);
      if (schema.format == "micro-time") return Time(field.bytes, true);
      return Json(field.bytes);
    case Type::kInteger:
      if (message) return mismatch();
      return Json(static_cast<int64_t>(field.value));
    case Type::kBoolean:
      if (message) return mismatch();
      return Json(field.value != 0);
    case Type::kIntOrString: {
      if (!message) return mismatch();
      if (schema.format != "quantity") return IntOrString(field.bytes);
      KINGLET_TRY(Field text, Only(field.bytes, 1));
      return text.bytes.empty() ? Json() : Json(text.bytes);
    }
    case Type::kObject:
      if (!message) return mismatch();
      if (schema.properties.empty() && schema.preserve_unknown) {
        // FieldsV1 and RawExtension: JSON in field 1.
        KINGLET_TRY(Field raw, Only(field.bytes, 1));
        return raw.bytes.empty() ? Json() : Json::Parse(raw.bytes);
      }
      return Message(schema, field.bytes, depth);
    default:
      return Json();
  }
}

bool Zero(const Json& value) {
  if (value.IsString()) return value.AsString().empty();
  if (value.IsInt()) return value.AsInt() == 0;
  if (value.IsBool()) return !value.AsBool();
  return value.IsNull();
}

Status Put(const Schema& schema, const std::string& member, const Field& field, Json& out,
           int depth) {
  const Schema* type = schema.Property(member);
  if (!type) return {};
  if (type->type == Schema::Type::kArray && type->items) {
    KINGLET_TRY(Json item, Value(*type->items, field, depth + 1));
    Json& list = out.Ref(member);
    list.Push(std::move(item));
    return {};
  }
  if (type->type == Schema::Type::kObject && type->additional) {
    KINGLET_TRY(Field key, Only(field.bytes, 1));
    KINGLET_TRY(Field value, Only(field.bytes, 2));
    value.wire = 2;
    KINGLET_TRY(Json json, Value(*type->additional, value, depth + 1));
    out.Ref(member).Set(key.bytes, std::move(json));
    return {};
  }
  KINGLET_TRY(Json value, Value(*type, field, depth + 1));
  bool pointer =
      std::find(std::begin(kPointers), std::end(kPointers), member) != std::end(kPointers);
  if (value.IsNull() || (Zero(value) && !pointer)) return {};
  out.Set(member, std::move(value));
  return {};
}

Status Fields(const Schema& schema, std::string_view bytes, const std::string& prefix, Json& out,
              int depth) {
  if (depth > kMaxDepth) return Fail(Code::kInvalidArgument, "protobuf: nested too deep");
  Reader reader(bytes);
  while (!reader.done()) {
    KINGLET_TRY(Field field, reader.Next());
    std::string path = prefix + std::to_string(field.number);
    auto it = schema.proto_members.find(path);
    if (it != schema.proto_members.end()) {
      KINGLET_RETURN_IF_ERROR(Put(schema, it->second, field, out, depth));
      continue;
    }
    // A message whose members JSON inlines.
    auto inlined = schema.proto_members.lower_bound(path + ".");
    bool inside = inlined != schema.proto_members.end() && inlined->first.starts_with(path + ".");
    if (inside && field.wire == 2) {
      KINGLET_RETURN_IF_ERROR(Fields(schema, field.bytes, path + ".", out, depth + 1));
    }
  }
  return {};
}

Result<Json> Message(const Schema& schema, std::string_view bytes, int depth) {
  Json out = Json::MakeObject();
  KINGLET_RETURN_IF_ERROR(Fields(schema, bytes, "", out, depth));
  return out;
}

}  // namespace

Result<Json> DecodeKubernetesProtobuf(std::string_view bytes, const SchemaFinder& find) {
  if (!bytes.starts_with(kMagic)) {
    return Fail(Code::kInvalidArgument, "the body does not begin as Kubernetes' protobuf does");
  }
  KINGLET_TRY(Field meta, Only(bytes.substr(kMagic.size()), 1));
  KINGLET_TRY(Field raw, Only(bytes.substr(kMagic.size()), 2));
  KINGLET_TRY(Field api_version, Only(meta.bytes, 1));
  KINGLET_TRY(Field kind, Only(meta.bytes, 2));
  const Schema* schema = find(api_version.bytes, kind.bytes);
  if (!schema) {
    return Fail(Code::kUnimplemented, "no protobuf form of {} {} is known", api_version.bytes,
                kind.bytes);
  }
  KINGLET_TRY(Json object, Message(*schema, raw.bytes, 0));
  object.Set("apiVersion", api_version.bytes);
  object.Set("kind", kind.bytes);
  return object;
}

}  // namespace kinglet::local
