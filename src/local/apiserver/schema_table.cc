// Reads the notation of schemas/tables.h.
#include <cctype>
#include <functional>
#include <set>

#include "local/apiserver/schema.h"
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local {
namespace {

struct RawField {
  std::string_view name, number, type;
};
struct RawType {
  bool atomic = false;
  std::vector<RawField> fields;
};

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  size_t i = 0;
  while (i < line.size()) {
    while (i < line.size() && line[i] == ' ') ++i;
    size_t start = i;
    while (i < line.size() && line[i] != ' ') ++i;
    if (i > start) words.push_back(line.substr(start, i - start));
  }
  return words;
}

std::shared_ptr<Schema> Scalar(std::string_view word) {
  auto schema = std::make_shared<Schema>();
  using Type = Schema::Type;
  if (word == "string") {
    schema->type = Type::kString;
  } else if (word == "int" || word == "int64" || word == "integer") {
    schema->type = Type::kInteger;
    schema->format = word == "int" ? "int32" : "int64";
  } else if (word == "number") {
    schema->type = Type::kNumber;
    schema->format = "double";
  } else if (word == "bool") {
    schema->type = Type::kBoolean;
  } else if (word == "bytes") {
    schema->type = Type::kString;
    schema->format = "byte";
  } else if (word == "time" || word == "microtime") {
    schema->type = Type::kString;
    schema->format = word == "time" ? "date-time" : "micro-time";
    schema->nullable = true;
  } else if (word == "quantity") {
    schema->type = Type::kIntOrString;
    schema->format = "quantity";
  } else if (word == "intstr") {
    schema->type = Type::kIntOrString;
    schema->format = "int-or-string";
  } else if (word == "any") {
    schema->type = Type::kAny;
    schema->preserve_unknown = true;
  } else if (word == "object") {
    schema->type = Type::kObject;
    schema->preserve_unknown = true;
  } else {
    return nullptr;
  }
  return schema;
}

class TableReader {
 public:
  Status Collect(std::string_view text);
  Result<SchemaTable> Build();

 private:
  Result<SchemaPtr> TypeOf(std::string_view text, bool* required);
  Result<SchemaPtr> Named(std::string_view name);

  std::map<std::string, RawType, std::less<>> raw_;
  SchemaTable built_;
  std::set<std::string, std::less<>> building_;
};

Status TableReader::Collect(std::string_view text) {
  RawType* current = nullptr;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    auto words = Words(line);
    size_t i = 0;
    if (line[0] != ' ') {
      current = &raw_[std::string(words[0])];
      i = 1;
      if (i < words.size() && words[i] == "@atomic") {
        current->atomic = true;
        ++i;
      }
    }
    if (!current) return Fail(Code::kInvalidArgument, "a continued line without a type");
    for (; i < words.size(); ++i) {
      size_t colon = words[i].find(':');
      if (colon == std::string_view::npos) {
        return Fail(Code::kInvalidArgument, "a field without a type: {}", words[i]);
      }
      std::string_view name = words[i].substr(0, colon), number;
      if (size_t hash = name.find('#'); hash != std::string_view::npos) {
        number = name.substr(hash + 1);
        name = name.substr(0, hash);
      }
      current->fields.push_back({name, number, words[i].substr(colon + 1)});
    }
  }
  return {};
}

Result<SchemaPtr> TableReader::TypeOf(std::string_view text, bool* required) {
  // The suffixes, from the right; a "!" may stand before or after the annotations.
  auto copy = std::make_shared<Schema>();
  std::string_view base = text, suffix;
  size_t depth = 0, cut = text.size();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[' || text[i] == '{') ++depth;
    if (text[i] == ']' || text[i] == '}') --depth;
    if (depth == 0 && (text[i] == '!' || text[i] == '@')) {
      cut = i;
      break;
    }
  }
  base = text.substr(0, cut);
  suffix = text.substr(cut);

  if (base.starts_with('[') && base.ends_with(']')) {
    copy->type = Schema::Type::kArray;
    KINGLET_TRY(copy->items, TypeOf(base.substr(1, base.size() - 2), nullptr));
  } else if (base.starts_with('{') && base.ends_with('}')) {
    copy->type = Schema::Type::kObject;
    KINGLET_TRY(copy->additional, TypeOf(base.substr(1, base.size() - 2), nullptr));
  } else if (auto scalar = Scalar(base)) {
    copy = scalar;
  } else {
    KINGLET_TRY(SchemaPtr named, Named(base));
    if (suffix.find("@retainKeys") == std::string_view::npos) {
      if (required) *required = suffix.find('!') != std::string_view::npos;
      return named;
    }
    *copy = *named;
  }
  while (!suffix.empty()) {
    if (suffix[0] == '!') {
      if (required) *required = true;
      suffix.remove_prefix(1);
      continue;
    }
    size_t end = suffix.find_first_of("@!", 1);
    std::string_view word = suffix.substr(0, end);
    suffix.remove_prefix(word.size());
    std::string_view argument;
    if (size_t open = word.find('('); open != std::string_view::npos && word.ends_with(')')) {
      argument = word.substr(open + 1, word.size() - open - 2);
      word = word.substr(0, open);
    }
    if (word == "@set") {
      copy->list_type = Schema::ListType::kSet;
    } else if (word == "@map") {
      copy->list_type = Schema::ListType::kMap;
      while (!argument.empty()) {
        size_t comma = argument.find(',');
        copy->map_keys.emplace_back(argument.substr(0, comma));
        argument.remove_prefix(comma == std::string_view::npos ? argument.size() : comma + 1);
      }
    } else if (word == "@merge") {
      copy->merge_key = std::string(argument);
    } else if (word == "@retainKeys") {
      copy->retain_keys = true;
    } else {
      return Fail(Code::kInvalidArgument, "an unknown annotation: {}", text);
    }
  }
  return SchemaPtr(copy);
}

Result<SchemaPtr> TableReader::Named(std::string_view name) {
  if (auto it = built_.find(name); it != built_.end()) return it->second;
  auto raw = raw_.find(name);
  if (raw == raw_.end()) return Fail(Code::kInvalidArgument, "no type named {}", name);
  if (!building_.emplace(name).second) {
    return Fail(Code::kInvalidArgument, "the type {} contains itself", name);
  }
  auto schema = std::make_shared<Schema>();
  schema->type = Schema::Type::kObject;
  schema->name = std::string(name);
  schema->atomic = raw->second.atomic;
  for (const RawField& field : raw->second.fields) {
    bool required = false;
    KINGLET_TRY(auto type, TypeOf(field.type, &required));
    schema->properties.emplace(std::string(field.name), std::move(type));
    if (required) schema->required.emplace_back(field.name);
    if (!field.number.empty()) schema->proto_members.emplace(field.number, field.name);
  }
  built_.emplace(std::string(name), schema);
  return SchemaPtr(schema);
}

Result<SchemaTable> TableReader::Build() {
  for (const auto& [name, type] : raw_) KINGLET_RETURN_IF_ERROR(Named(name));
  return std::move(built_);
}

}  // namespace

Result<SchemaTable> ParseSchemaTable(const std::vector<std::string_view>& texts) {
  TableReader reader;
  for (std::string_view text : texts) KINGLET_RETURN_IF_ERROR(reader.Collect(text));
  return reader.Build();
}

SchemaTable LoadBuiltinSchemas() {
  auto table = ParseSchemaTable({schemas::Core1(), schemas::Core2(), schemas::Core3(),
                                 schemas::Workloads(), schemas::Cluster()});
  KINGLET_CHECK(table.has_value());
  return std::move(*table);
}

}  // namespace kinglet::local
