#include "base/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/budget.h"

namespace kinglet {
namespace {

constexpr int kMaxDepth = 200;
constexpr uint64_t kValueBytes = 128;  // a member of an object, with its key's string

bool AllDigits(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

// The YAML 1.2 core schema's reading of a plain scalar.
Json PlainScalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return Json();
  }
  if (text == "true" || text == "True" || text == "TRUE") return Json(true);
  if (text == "false" || text == "False" || text == "FALSE") return Json(false);
  std::string_view body = text;
  bool negative = false;
  if (body[0] == '-' || body[0] == '+') {
    negative = body[0] == '-';
    body.remove_prefix(1);
  }
  if (AllDigits(body)) {
    int64_t value = 0;
    std::string signed_text = (negative ? "-" : "") + std::string(body);
    auto [end, error] =
        std::from_chars(signed_text.data(), signed_text.data() + signed_text.size(), value);
    if (error == std::errc()) return Json(value);
  }
  for (auto [prefix, base] : {std::pair{"0x", 16}, std::pair{"0o", 8}}) {
    if (text.starts_with(prefix) && text.size() > 2) {
      int64_t value = 0;
      auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, base);
      if (error == std::errc() && end == text.data() + text.size()) return Json(value);
    }
  }
  if (body == ".inf" || body == ".Inf" || body == ".INF") {
    double inf = std::numeric_limits<double>::infinity();
    return Json(negative ? -inf : inf);
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return Json(std::nan(""));
  if (!body.empty() && (body[0] == '.' || (body[0] >= '0' && body[0] <= '9'))) {
    double value = 0;
    auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), value);
    if (error == std::errc() && end == body.data() + body.size()) {
      return Json(negative ? -value : value);
    }
  }
  return Json(text);
}

// An alias stands for the whole value that it names, each time. So every value is paid for, with
// its text.
Result<Json> FromNode(const YAML::Node& node, Budget& budget) {
  KINGLET_TRY(const Budget::Level level, budget.Enter());
  const size_t text = node.IsScalar() ? node.Scalar().size() : 0;
  KINGLET_RETURN_IF_ERROR(budget.Allocate(kValueBytes + text));
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return Json();
    case YAML::NodeType::Scalar:
      // "!" marks a quoted scalar, a tag an explicit string.
      if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return Json(node.Scalar());
      return PlainScalar(node.Scalar());
    case YAML::NodeType::Sequence: {
      Json::Array array;
      for (const auto& item : node) {
        KINGLET_TRY(Json value, FromNode(item, budget));
        array.push_back(std::move(value));
      }
      return Json(std::move(array));
    }
    case YAML::NodeType::Map: {
      Json::Object object;
      for (const auto& member : node) {
        if (!member.first.IsScalar()) {
          return Fail(Code::kInvalidArgument, "YAML line {}: a key must be a scalar",
                      member.first.Mark().line + 1);
        }
        KINGLET_TRY(Json value, FromNode(member.second, budget));
        KINGLET_RETURN_IF_ERROR(budget.Allocate(member.first.Scalar().size()));
        auto [it, inserted] = object.emplace(member.first.Scalar(), std::move(value));
        if (!inserted) {
          return Fail(Code::kInvalidArgument, "YAML line {}: key \"{}\" is already set",
                      member.first.Mark().line + 1, member.first.Scalar());
        }
      }
      return Json(std::move(object));
    }
  }
  return Json();
}

bool PlainSafe(const std::string& text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`").find(text[0]) != std::string_view::npos) {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return false;
    if (c == ':' && (i + 1 == text.size() || text[i + 1] == ' ')) return false;
    if (c == '#' && text[i - 1] == ' ') return false;
  }
  // YAML 1.1 readers take these for booleans or dates.
  for (std::string_view word : {"y", "n", "yes", "no", "on", "off", "Yes", "No", "On", "Off", "Y",
                                "N", "YES", "NO", "ON", "OFF", "=", "<<"}) {
    if (text == word) return false;
  }
  if (text.size() >= 10 && AllDigits(std::string_view(text).substr(0, 4)) && text[4] == '-') {
    return false;
  }
  return PlainScalar(text).IsString();
}

void Dump(const Json& value, std::string& out, int indent, bool inline_first) {
  auto pad = [&](int n) { out.append(static_cast<size_t>(n), ' '); };
  if (value.IsObject() && !value.empty()) {
    bool first = true;
    for (const auto& [key, member] : value.AsObject()) {
      if (!first || !inline_first) pad(indent);
      first = false;
      if (PlainSafe(key))
        out += key;
      else
        AppendJsonString(out, key);
      out += ':';
      if (member.IsObject() && !member.empty()) {
        out += '\n';
        Dump(member, out, indent + 2, false);
      } else if (member.IsArray() && !member.empty()) {
        out += '\n';
        Dump(member, out, indent, false);
      } else {
        out += ' ';
        Dump(member, out, indent + 2, true);
      }
    }
  } else if (value.IsArray() && !value.empty()) {
    bool first = true;
    for (const Json& item : value.AsArray()) {
      if (!first || !inline_first) pad(indent);
      first = false;
      out += "- ";
      Dump(item, out, indent + 2, true);
    }
  } else {
    if (value.IsString()) {
      const std::string& text = value.AsString();
      if (PlainSafe(text)) {
        out += text;
      } else if (text.find('\n') != std::string::npos && text.front() != ' ' &&
                 text.front() != '\n' && text.find_first_of("\r\t\x7f") == std::string::npos) {
        // Literal block: how people read scripts and messages.
        size_t end = text.find_last_not_of('\n');
        size_t newlines = text.size() - end - 1;
        out += newlines == 0 ? "|-" : newlines == 1 ? "|" : "|+";
        size_t start = 0;
        while (start < text.size()) {
          size_t stop = text.find('\n', start);
          if (stop == std::string::npos) stop = text.size();
          out += '\n';
          if (stop > start) pad(indent);
          out.append(text, start, stop - start);
          start = stop + 1;
        }
      } else {
        AppendJsonString(out, text);
      }
    } else if (value.IsArray()) {
      out += "[]";
    } else if (value.IsObject()) {
      out += "{}";
    } else {
      value.DumpTo(out);
    }
    out += '\n';
  }
}

}  // namespace

Result<std::vector<Json>> ParseYamlDocuments(std::string_view text) {
  try {
    std::vector<Json> documents;
    Budget::Limits limits = Budget::LimitsFor(text.size());
    limits.depth = kMaxDepth;
    Budget budget(limits);
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      auto value = FromNode(node, budget);
      if (!value) return Unexpected(value.error().WithContext("YAML"));
      if (!value->IsNull()) documents.push_back(std::move(*value));
    }
    return documents;
  } catch (const YAML::Exception& error) {
    return Fail(Code::kInvalidArgument, "YAML line {}: {}", error.mark.line + 1, error.msg);
  }
}

Result<Json> ParseYaml(std::string_view text) {
  KINGLET_TRY(auto documents, ParseYamlDocuments(text));
  if (documents.empty()) return Json();
  if (documents.size() > 1) {
    return Fail(Code::kInvalidArgument, "YAML: {} documents where one was expected",
                documents.size());
  }
  return std::move(documents[0]);
}

std::string DumpYaml(const Json& value) {
  std::string out;
  Dump(value, out, 0, false);
  return out;
}

}  // namespace kinglet
