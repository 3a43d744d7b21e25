// Descriptors: one line a field, from which decoding, encoding, validation and the OpenAPI schema
// follow. A struct S that takes part has
//
//   static const Struct<S>& Describe();
//
// whose definition lists its fields:
//
//   const Struct<Logger>& Logger::Describe() {
//     static const auto d = Struct<Logger>("What is logged, and where to.")
//         .Field("url", &Logger::url, "Where the events go.")
//         .Field("mode", &Logger::mode, "", {.one_of = {"all", "request", "response"}});
//     return d;
//   }
//
// Parts that are Kubernetes' own (pod specs, containers) stay Json: see Rest.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::api {

// A number or a text such as "500m", kept as written.
struct Quantity {
  Json value;
  bool operator==(const Quantity&) const = default;
};

// The regular expression of a quantity, as in Kubernetes' own schemas.
extern const char kQuantityPattern[];

// Whether the text has the form of a quantity.
bool IsQuantity(const Json& value);

enum class Checks {
  kTypes,   // as a Kubernetes client decodes: wrong types are errors, unknown fields are skipped
  kStrict,  // also unknown fields, missing required fields, values outside their range
};

enum class Names {
  kExact,
  kAnyCase,  // as Go's own decoder reads: an exact name first, then one that differs in case
};

// Collects what is wrong with a document, with the path of each finding.
class Decoder {
 public:
  explicit Decoder(Checks checks, Names names = Names::kExact) : checks_(checks), names_(names) {}
  bool strict() const { return checks_ == Checks::kStrict; }
  Names names() const { return names_; }

  // At most 100 findings are kept.
  void Fail(std::string message);
  void FailType(std::string_view wanted, const Json& got);
  const std::vector<std::string>& errors() const { return errors_; }
  // The findings joined by "; ".
  Status status() const;

  class Scope {
   public:
    Scope(Decoder& decoder, std::string_view name);
    Scope(Decoder& decoder, size_t index);
    ~Scope() { decoder_.path_.resize(length_); }

   private:
    Decoder& decoder_;
    size_t length_;
  };

 private:
  Checks checks_;
  Names names_;
  std::string path_;
  std::vector<std::string> errors_;
};

// What holds for a field beyond its type.
struct Rules {
  bool required = false;
  bool always_encode = false;  // written even where empty
  std::vector<std::string_view> one_of = {};
  std::optional<int64_t> minimum = {};
  size_t min_items = 0;
  Json default_value = {};  // in the schema only: the API server fills it in
  Json schema = {};         // members added to the generated schema
};

// A field of Kubernetes' own that is passed through.
struct PassedField {
  std::string_view name;
  std::string_view
      type;  // "object", "array" (of objects), "strings", "string", "boolean", "integer"
};

Json PassedSchema(std::string_view type);

namespace internal {

struct ErasedField {
  std::string_view name;
  std::string_view doc;
  Rules rules;
  std::function<void(const Json&, void*, Decoder&)> decode;
  std::function<Json(const void*)> encode;  // null where empty
  std::function<Json()> schema;
};

struct ErasedStruct {
  std::string_view doc;
  std::vector<ErasedField> fields;
  std::span<const PassedField> passed;
  std::function<Json&(void*)> rest;
  bool preserve = false;  // unknown fields are kept by the API server, and not errors here

  // Null where there is no such field.
  const ErasedField* FindField(std::string_view name, Names names) const;
  void Decode(const Json& value, void* object, Decoder& decoder) const;
  void Encode(const void* object, Json& out) const;
  Json Schema() const;
};

void CheckRules(const Rules& rules, const Json& value, Decoder& decoder);

template <class T>
struct Codec;

}  // namespace internal

template <class S>
class Struct {
 public:
  explicit Struct(std::string_view doc = "") { erased_.doc = doc; }

  template <class C, class M>
  Struct& Field(std::string_view name, M C::* member, std::string_view doc, Rules rules = {});

  // The members named in `fields` are kept as they are in one Json object.
  template <class C>
  Struct& Rest(Json C::* member, std::span<const PassedField> fields) {
    erased_.passed = fields;
    erased_.rest = [member](void* object) -> Json& { return static_cast<S*>(object)->*member; };
    return *this;
  }
  Struct& PreserveUnknown() {
    erased_.preserve = true;
    return *this;
  }

  void Decode(const Json& value, S& object, Decoder& decoder) const {
    erased_.Decode(value, &object, decoder);
  }
  Json Encode(const S& object) const {
    Json out = Json::MakeObject();
    erased_.Encode(&object, out);
    return out;
  }
  Json Schema() const { return erased_.Schema(); }

 private:
  internal::ErasedStruct erased_;
};

template <class S>
Result<S> Decode(const Json& value, Checks checks = Checks::kTypes, Names names = Names::kExact) {
  S object;
  Decoder decoder(checks, names);
  S::Describe().Decode(value, object, decoder);
  KINGLET_RETURN_IF_ERROR(decoder.status());
  return object;
}

template <class S>
Json Encode(const S& object) {
  return S::Describe().Encode(object);
}

template <class S>
Json Schema() {
  return S::Describe().Schema();
}

namespace internal {

template <>
struct Codec<std::string> {
  static void Decode(const Json& value, std::string& out, Decoder& decoder);
  static Json Encode(const std::string& in) { return in.empty() ? Json() : Json(in); }
  static Json Schema() { return Json::MakeObject({{"type", "string"}}); }
};

template <>
struct Codec<bool> {
  static void Decode(const Json& value, bool& out, Decoder& decoder);
  static Json Encode(bool in) { return in ? Json(true) : Json(); }
  static Json Schema() { return Json::MakeObject({{"type", "boolean"}}); }
};

void DecodeInteger(const Json& value, int64_t low, int64_t high, int64_t& out, Decoder& decoder);

template <>
struct Codec<int32_t> {
  static void Decode(const Json& value, int32_t& out, Decoder& decoder);
  static Json Encode(int32_t in) { return in == 0 ? Json() : Json(in); }
  static Json Schema() { return Json::MakeObject({{"type", "integer"}, {"format", "int32"}}); }
};

template <>
struct Codec<int64_t> {
  static void Decode(const Json& value, int64_t& out, Decoder& decoder);
  static Json Encode(int64_t in) { return in == 0 ? Json() : Json(in); }
  static Json Schema() { return Json::MakeObject({{"type", "integer"}, {"format", "int64"}}); }
};

template <>
struct Codec<Quantity> {
  static void Decode(const Json& value, Quantity& out, Decoder& decoder);
  static Json Encode(const Quantity& in) { return in.value; }
  static Json Schema();
};

// Json members are parts of Kubernetes' own: any object.
template <>
struct Codec<Json> {
  static void Decode(const Json& value, Json& out, Decoder& decoder);
  static Json Encode(const Json& in) { return in; }
  static Json Schema() { return PassedSchema("object"); }
};

template <class T>
struct Codec<std::optional<T>> {
  static void Decode(const Json& value, std::optional<T>& out, Decoder& decoder) {
    Codec<T>::Decode(value, out.emplace(), decoder);
  }
  static Json Encode(const std::optional<T>& in) {
    if (!in) return {};
    if constexpr (requires { T::Describe(); }) {
      return T::Describe().Encode(*in);
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      return Json(*in);
    } else {
      return Codec<T>::Encode(*in);
    }
  }
  static Json Schema() { return Codec<T>::Schema(); }
};

template <class T>
struct Codec<std::vector<T>> {
  static void Decode(const Json& value, std::vector<T>& out, Decoder& decoder) {
    if (!value.IsArray()) return decoder.FailType("array", value);
    for (size_t i = 0; i < value.size(); ++i) {
      Decoder::Scope scope(decoder, i);
      Codec<T>::Decode(value[i], out.emplace_back(), decoder);
    }
  }
  static Json Encode(const std::vector<T>& in) {
    if (in.empty()) return {};
    Json out = Json::MakeArray();
    for (const T& item : in) out.Push(Codec<std::optional<T>>::Encode(item));
    return out;
  }
  static Json Schema() {
    return Json::MakeObject({{"type", "array"}, {"items", Codec<T>::Schema()}});
  }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static void Decode(const Json& value, std::map<std::string, T>& out, Decoder& decoder) {
    if (!value.IsObject()) return decoder.FailType("object", value);
    for (const auto& [key, item] : value.AsObject()) {
      Decoder::Scope scope(decoder, key);
      Codec<T>::Decode(item, out[key], decoder);
    }
  }
  static Json Encode(const std::map<std::string, T>& in) {
    if (in.empty()) return {};
    Json out = Json::MakeObject();
    for (const auto& [key, item] : in) out.Set(key, Codec<std::optional<T>>::Encode(item));
    return out;
  }
  static Json Schema() {
    return Json::MakeObject({{"type", "object"}, {"additionalProperties", Codec<T>::Schema()}});
  }
};

template <class T>
  requires requires { T::Describe(); }
struct Codec<T> {
  static void Decode(const Json& value, T& out, Decoder& decoder) {
    T::Describe().Decode(value, out, decoder);
  }
  static Json Encode(const T& in) {
    Json out = T::Describe().Encode(in);
    return out.empty() ? Json() : out;
  }
  static Json Schema() { return T::Describe().Schema(); }
};

}  // namespace internal

template <class S>
template <class C, class M>
Struct<S>& Struct<S>::Field(std::string_view name, M C::* member, std::string_view doc,
                            Rules rules) {
  using Codec = internal::Codec<M>;
  internal::ErasedField field;
  field.name = name;
  field.doc = doc;
  field.decode = [member](const Json& value, void* object, Decoder& decoder) {
    Codec::Decode(value, static_cast<S*>(object)->*member, decoder);
  };
  field.encode = [member, always = rules.always_encode](const void* object) {
    const M& value = static_cast<const S*>(object)->*member;
    return always ? internal::Codec<std::optional<M>>::Encode(value) : Codec::Encode(value);
  };
  field.schema = [] { return Codec::Schema(); };
  field.rules = std::move(rules);
  erased_.fields.push_back(std::move(field));
  return *this;
}

}  // namespace kinglet::api
