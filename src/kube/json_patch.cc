#include "kube/json_patch.h"

#include <algorithm>

namespace kinglet::kube {
namespace {

constexpr size_t kMaxOperations = 10'000;
constexpr size_t kMaxCopiedBytes = size_t{3}
                                   << 20;  // against patches that double a value each line

using Tokens = std::vector<std::string>;

Unexpected Missing(std::string_view op, std::string_view path) {
  return Fail(Code::kFailedPrecondition, "{} operation does not apply: doc is missing path: {}", op,
              path);
}

// An array index: digits without leading zeros, at most `limit`.
bool ParseIndex(std::string_view token, size_t limit, size_t* index) {
  if (token.empty() || token.size() > 9 || (token.size() > 1 && token[0] == '0')) return false;
  size_t value = 0;
  for (char c : token) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<size_t>(c - '0');
  }
  *index = value;
  return value <= limit;
}

Json* Child(Json& parent, std::string_view token) {
  if (parent.IsObject()) return parent.Find(token);
  size_t index = 0;
  if (parent.IsArray() && ParseIndex(token, parent.size(), &index) && index < parent.size()) {
    return &parent.MutableArray()[index];
  }
  return nullptr;
}

Json* Find(Json& root, const Tokens& tokens, size_t count) {
  Json* at = &root;
  for (size_t i = 0; i < count && at; ++i) at = Child(*at, tokens[i]);
  return at;
}

Status AddAt(Json& root, const Tokens& tokens, std::string_view path, Json value) {
  if (tokens.empty()) {
    root = std::move(value);
    return {};
  }
  Json* parent = Find(root, tokens, tokens.size() - 1);
  if (!parent) return Missing("add", path);
  const std::string& last = tokens.back();
  if (parent->IsObject()) {
    parent->Set(last, std::move(value));
    return {};
  }
  if (!parent->IsArray()) return Missing("add", path);
  auto& array = parent->MutableArray();
  size_t index = array.size();
  if (last != "-" && !ParseIndex(last, array.size(), &index)) {
    return Fail(Code::kFailedPrecondition, "add operation does not apply: index {} of {} items: {}",
                last, array.size(), path);
  }
  array.insert(array.begin() + static_cast<ptrdiff_t>(index), std::move(value));
  return {};
}

Result<Json> RemoveAt(Json& root, const Tokens& tokens, std::string_view path) {
  if (tokens.empty()) return Fail(Code::kFailedPrecondition, "cannot remove the whole document");
  Json* parent = Find(root, tokens, tokens.size() - 1);
  Json* target = parent ? Child(*parent, tokens.back()) : nullptr;
  if (!target) return Missing("remove", path);
  Json removed = std::move(*target);
  if (parent->IsObject()) {
    parent->Erase(tokens.back());
  } else {
    auto& array = parent->MutableArray();
    array.erase(array.begin() + (target - array.data()));
  }
  return removed;
}

bool IsPrefix(const Tokens& prefix, const Tokens& of) {
  return prefix.size() < of.size() && std::equal(prefix.begin(), prefix.end(), of.begin());
}

Status Step(Json& root, const Json& operation, size_t* copied) {
  if (!operation.IsObject() || !operation["op"].IsString() || !operation["path"].IsString()) {
    return Fail(Code::kInvalidArgument, "a JSON patch operation needs op and path");
  }
  const std::string& op = operation["op"].AsString();
  const std::string& path = operation["path"].AsString();
  KINGLET_TRY(Tokens tokens, ParseJsonPointer(path));
  bool needs_value = op == "add" || op == "replace" || op == "test";
  if (needs_value && !operation.Has("value")) {
    return Fail(Code::kInvalidArgument, "the {} operation at {} needs a value", op, path);
  }
  if (op == "add") return AddAt(root, tokens, path, operation["value"]);
  if (op == "remove") {
    KINGLET_RETURN_IF_ERROR(RemoveAt(root, tokens, path));
    return {};
  }
  if (op == "replace") {
    Json* target = Find(root, tokens, tokens.size());
    if (!target) return Missing("replace", path);
    *target = operation["value"];
    return {};
  }
  if (op == "test") {
    Json* target = Find(root, tokens, tokens.size());
    bool equal = target ? *target == operation["value"] : operation["value"].IsNull();
    if (equal) return {};
    return Fail(Code::kFailedPrecondition, "testing value {} failed", path);
  }
  if (op != "move" && op != "copy") {
    return Fail(Code::kInvalidArgument, "unknown JSON patch operation \"{}\"", op);
  }
  const std::string& from = operation["from"].AsString();
  if (!operation["from"].IsString()) {
    return Fail(Code::kInvalidArgument, "the {} operation at {} needs from", op, path);
  }
  KINGLET_TRY(Tokens source, ParseJsonPointer(from));
  if (op == "move") {
    if (IsPrefix(source, tokens)) {
      return Fail(Code::kFailedPrecondition, "cannot move {} into itself ({})", from, path);
    }
    if (source == tokens) return Find(root, source, source.size()) ? Status() : Missing(op, from);
    KINGLET_TRY(Json value, RemoveAt(root, source, from));
    return AddAt(root, tokens, path, std::move(value));
  }
  Json* value = Find(root, source, source.size());
  if (!value) return Missing("copy", from);
  *copied += value->Dump().size();
  if (*copied > kMaxCopiedBytes) {
    return Fail(Code::kResourceExhausted,
                "the copy operations of the patch copy more than {} bytes", kMaxCopiedBytes);
  }
  return AddAt(root, tokens, path, Json(*value));
}

void Diff(const Json& from, const Json& to, const std::string& path, Json::Array& out) {
  if (from == to) return;
  auto operation = [&](std::string_view op, std::string at, const Json* value) {
    Json item = Json::MakeObject({{"op", op}, {"path", std::move(at)}});
    if (value) item.Set("value", *value);
    out.push_back(std::move(item));
  };
  if (from.IsObject() && to.IsObject()) {
    for (const auto& [key, value] : from.AsObject()) {
      std::string at = path + "/" + EscapePointerToken(key);
      const Json* next = to.Find(key);
      if (next) {
        Diff(value, *next, at, out);
      } else {
        operation("remove", std::move(at), nullptr);
      }
    }
    for (const auto& [key, value] : to.AsObject()) {
      if (!from.Has(key)) operation("add", path + "/" + EscapePointerToken(key), &value);
    }
    return;
  }
  if (from.IsArray() && to.IsArray()) {
    size_t common = std::min(from.size(), to.size());
    for (size_t i = 0; i < common; ++i) {
      Diff(from[i], to[i], path + "/" + std::to_string(i), out);
    }
    for (size_t i = common; i < to.size(); ++i) {
      operation("add", path + "/" + std::to_string(i), &to[i]);
    }
    for (size_t i = from.size(); i > common; --i) {
      operation("remove", path + "/" + std::to_string(i - 1), nullptr);
    }
    return;
  }
  operation("replace", path, &to);
}

}  // namespace

Result<Tokens> ParseJsonPointer(std::string_view pointer) {
  Tokens tokens;
  if (pointer.empty()) return tokens;
  if (pointer[0] != '/') {
    return Fail(Code::kInvalidArgument, "\"{}\" is not a JSON pointer: begin with /", pointer);
  }
  for (char c : pointer) {
    if (c == '/') {
      tokens.emplace_back();
      if (tokens.size() > 256) return Fail(Code::kInvalidArgument, "JSON pointer is too deep");
      continue;
    }
    std::string& token = tokens.back();
    // "~" waits for its digit at the end of the token.
    if (!token.empty() && token.back() == '~' && (c == '0' || c == '1')) {
      token.back() = c == '0' ? '\x01' : '/';
      continue;
    }
    token += c;
  }
  for (std::string& token : tokens) {
    if (token.find('~') != std::string::npos) {
      return Fail(Code::kInvalidArgument, "\"{}\" is not a JSON pointer: ~ is written ~0", pointer);
    }
    std::replace(token.begin(), token.end(), '\x01', '~');
  }
  return tokens;
}

std::string EscapePointerToken(std::string_view token) {
  std::string out;
  for (char c : token) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

Result<Json> ApplyJsonPatch(Json target, const Json& patch) {
  if (!patch.IsArray()) return Fail(Code::kInvalidArgument, "a JSON patch is a list of operations");
  if (patch.size() > kMaxOperations) {
    return Fail(Code::kResourceExhausted,
                "The allowed maximum operations in a JSON patch is {}, got {}", kMaxOperations,
                patch.size());
  }
  size_t copied = 0;
  for (const Json& operation : patch.AsArray()) {
    KINGLET_RETURN_IF_ERROR(Step(target, operation, &copied));
  }
  return target;
}

Json CreateJsonPatch(const Json& from, const Json& to) {
  Json::Array out;
  Diff(from, to, "", out);
  return Json(std::move(out));
}

}  // namespace kinglet::kube
