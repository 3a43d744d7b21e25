// CRD documents and objects from strangers: schema, pruning, defaults, validation, field sets.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "local/apiserver/field_set.h"
#include "local/apiserver/schema.h"
#include "local/apiserver/validation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  using namespace kinglet::local;
  static const SchemaTable table = LoadBuiltinSchemas();
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t cut = text.find('\0');
  auto first = Json::Parse(text.substr(0, cut));
  if (!first) return 0;
  auto second = Json::Parse(cut == std::string_view::npos ? "{}" : text.substr(cut + 1));
  Json object = second ? *second : Json::MakeObject();
  SchemaPtr schema = table.at("core.v1.Pod");
  auto parsed = ParseCrdSchema(*first, table.at("meta.v1.ObjectMeta"));
  if (parsed && (*parsed)->pattern.empty()) schema = *parsed;
  std::vector<std::string> unknown;
  Prune(*schema, object, &unknown);
  ApplySchemaDefaults(*schema, object);
  std::vector<FieldError> errors;
  ValidateSchema(*schema, object, nullptr, "", errors);
  (void)CheckTypes(*schema, object, "");
  FieldSet fields = FieldsOf(schema.get(), object);
  FieldSet again = FieldSet::FromJson(fields.ToJson());
  RemoveFields(schema.get(), object, again);
  return 0;
}
