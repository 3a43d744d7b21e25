#include "control/template.h"

#include <vector>

namespace kinglet::control {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view Trim(std::string_view text) {
  size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// One operand of an action: a path (".A.b") or a quoted text.
struct Operand {
  bool is_path = false;
  std::vector<std::string> path;
  std::string text;
};

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

Unexpected Malformed(std::string_view action) {
  return Fail(Code::kInvalidArgument, "cannot read the template action \"{{{{{}}}}}\"", action);
}

Result<Operand> ReadOperand(std::string_view action, std::string_view& rest) {
  Operand operand;
  if (rest.starts_with('.')) {
    operand.is_path = true;
    while (rest.starts_with('.')) {
      rest.remove_prefix(1);
      size_t length = 0;
      while (length < rest.size() && IsNameByte(rest[length])) ++length;
      if (length == 0) return Malformed(action);
      operand.path.emplace_back(rest.substr(0, length));
      rest.remove_prefix(length);
    }
  } else if (rest.starts_with('"')) {
    size_t end = rest.find('"', 1);
    if (end == std::string_view::npos) return Malformed(action);
    operand.text = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    return Malformed(action);
  }
  if (!rest.empty() && kSpace.find(rest[0]) == std::string_view::npos) return Malformed(action);
  rest = Trim(rest);
  return operand;
}

// Null where a map lacks the key.
Result<const Json*> Follow(const std::vector<std::string>& path, const Json& dot) {
  const Json* value = dot.Find(path[0]);
  if (!value) {
    return Fail(Code::kInvalidArgument, "can't evaluate field {} in type v1.ObjectMeta", path[0]);
  }
  for (size_t i = 1; i < path.size() && value; ++i) {
    if (!value->IsObject() && !value->IsNull()) {
      return Fail(Code::kInvalidArgument, "can't evaluate field {} in type string", path[i]);
    }
    value = value->Find(path[i]);
  }
  return value;
}

std::string Text(const Json* value, std::string_view missing) {
  if (!value || value->IsNull()) return std::string(missing);
  return value->IsString() ? value->AsString() : value->Dump();
}

Result<std::string> Evaluate(std::string_view action, const Json& dot, std::string_view missing) {
  std::string_view rest = Trim(action);
  if (rest.starts_with("/*") && rest.ends_with("*/")) return std::string();
  if (!rest.starts_with("index ")) {
    KINGLET_TRY(Operand operand, ReadOperand(action, rest));
    if (!rest.empty()) return Malformed(action);
    if (!operand.is_path) return operand.text;
    KINGLET_TRY(const Json* value, Follow(operand.path, dot));
    return Text(value, missing);
  }
  rest = Trim(rest.substr(std::string_view("index ").size()));
  KINGLET_TRY(Operand map, ReadOperand(action, rest));
  KINGLET_TRY(Operand key, ReadOperand(action, rest));
  if (!rest.empty() || !map.is_path || key.is_path) return Malformed(action);
  KINGLET_TRY(const Json* value, Follow(map.path, dot));
  const Json* item = value ? value->Find(key.text) : nullptr;
  // The zero value of a map of strings.
  return item ? Text(item, missing) : std::string();
}

}  // namespace

Result<std::string> RenderTemplate(std::string_view text, const Json& dot, std::string_view missing,
                                   size_t max_bytes) {
  std::string out;
  auto append = [&](std::string_view more) -> Status {
    if (more.size() > max_bytes - out.size()) {
      return Fail(Code::kResourceExhausted, "the placeholders make a text of over {} bytes",
                  max_bytes);
    }
    out += more;
    return {};
  };
  while (true) {
    size_t open = text.find("{{");
    if (open == std::string_view::npos) {
      KINGLET_RETURN_IF_ERROR(append(text));
      return out;
    }
    std::string_view before = text.substr(0, open);
    size_t close = text.find("}}", open);
    if (close == std::string_view::npos) {
      return Fail(Code::kInvalidArgument, "unclosed template action: {}", text.substr(open));
    }
    std::string_view action = text.substr(open + 2, close - open - 2);
    text.remove_prefix(close + 2);
    if (action.starts_with("- ")) {
      action.remove_prefix(1);
      before = before.substr(0, before.find_last_not_of(kSpace) + 1);
    }
    if (action.ends_with(" -")) {
      action.remove_suffix(1);
      size_t next = text.find_first_not_of(kSpace);
      text.remove_prefix(next == std::string_view::npos ? text.size() : next);
    }
    KINGLET_RETURN_IF_ERROR(append(before));
    KINGLET_TRY(std::string value, Evaluate(action, dot, missing));
    KINGLET_RETURN_IF_ERROR(append(value));
  }
}

Json TemplateMetadata(const Json& metadata) {
  auto map = [&](std::string_view key) {
    const Json& value = metadata[key];
    return value.IsObject() ? value : Json::MakeObject();
  };
  return Json::MakeObject({{"Name", metadata["name"].AsString()},
                           {"Namespace", metadata["namespace"].AsString()},
                           {"GenerateName", metadata["generateName"].AsString()},
                           {"UID", metadata["uid"].AsString()},
                           {"ResourceVersion", metadata["resourceVersion"].AsString()},
                           {"Generation", metadata["generation"].AsInt()},
                           {"Labels", map("labels")},
                           {"Annotations", map("annotations")}});
}

}  // namespace kinglet::control
