#include "kube/selector.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace kinglet::kube {
namespace {

using Op = LabelSelector::Op;
using Requirement = LabelSelector::Requirement;

constexpr size_t kMaxSelector = 64 << 10;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}
bool IsAlnum(char c) { return IsNameChar(c) && c != '-' && c != '_' && c != '.'; }

bool IsQualifiedPart(std::string_view text) {
  return !text.empty() && text.size() <= 63 && IsAlnum(text.front()) && IsAlnum(text.back()) &&
         std::all_of(text.begin(), text.end(), IsNameChar);
}

Status CheckKey(std::string_view key) {
  size_t slash = key.find('/');
  std::string_view name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  bool good = IsQualifiedPart(name);
  if (slash != std::string_view::npos) {
    std::string_view prefix = key.substr(0, slash);
    good = good && !prefix.empty() && prefix.size() <= 253 &&
           std::all_of(prefix.begin(), prefix.end(),
                       [](char c) { return IsNameChar(c) && c != '_' && !(c >= 'A' && c <= 'Z'); });
  }
  if (good) return {};
  return Fail(Code::kInvalidArgument, "\"{}\" is not a label key", key);
}

Status CheckValue(std::string_view value) {
  if (value.empty() || IsQualifiedPart(value)) return {};
  return Fail(Code::kInvalidArgument, "\"{}\" is not a label value", value);
}

// Words, and the marks ( ) , ! = == != > <.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { Next(); }
  std::string_view token() const { return token_; }
  bool end() const { return token_.empty(); }
  bool IsWord() const { return !token_.empty() && (IsNameChar(token_[0]) || token_[0] == '/'); }
  bool Take(std::string_view mark) {
    if (token_ != mark) return false;
    Next();
    return true;
  }
  std::string_view TakeAny() {
    std::string_view taken = token_;
    Next();
    return taken;
  }

 private:
  void Next() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
    size_t start = at_;
    if (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '=' || c == '!') {
        if (at_ < text_.size() && text_[at_] == '=') ++at_;
      } else if (IsNameChar(c) || c == '/') {
        while (at_ < text_.size() && (IsNameChar(text_[at_]) || text_[at_] == '/')) ++at_;
      }
    }
    token_ = text_.substr(start, at_ - start);
  }

  std::string_view text_, token_;
  size_t at_ = 0;
};

Result<std::vector<std::string>> ParseSet(Lexer& lexer) {
  if (!lexer.Take("(")) return Fail(Code::kInvalidArgument, "expected '(' after in or notin");
  std::vector<std::string> values;
  while (true) {
    std::string value;
    if (lexer.IsWord()) value = lexer.TakeAny();
    KINGLET_RETURN_IF_ERROR(CheckValue(value));
    values.push_back(std::move(value));
    if (lexer.Take(")")) break;
    if (!lexer.Take(",")) return Fail(Code::kInvalidArgument, "expected ',' or ')' in a set");
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

Result<Requirement> ParseRequirement(Lexer& lexer) {
  bool negated = lexer.Take("!");
  if (!lexer.IsWord()) {
    return Fail(Code::kInvalidArgument, "expected a label key, found \"{}\"", lexer.token());
  }
  Requirement requirement{std::string(lexer.TakeAny()), Op::kExists, {}};
  KINGLET_RETURN_IF_ERROR(CheckKey(requirement.key));
  if (negated) {
    requirement.op = Op::kNotExists;
    return requirement;
  }
  if (lexer.end() || lexer.token() == ",") return requirement;
  std::string_view op = lexer.TakeAny();
  if (op == "in" || op == "notin") {
    requirement.op = op == "in" ? Op::kIn : Op::kNotIn;
    KINGLET_TRY(requirement.values, ParseSet(lexer));
    return requirement;
  }
  if (op == "=" || op == "==") {
    requirement.op = Op::kIn;
  } else if (op == "!=") {
    requirement.op = Op::kNotIn;
  } else if (op == ">") {
    requirement.op = Op::kGreater;
  } else if (op == "<") {
    requirement.op = Op::kLess;
  } else {
    return Fail(Code::kInvalidArgument, "\"{}\" is not an operator of a label selector", op);
  }
  std::string value;
  if (lexer.IsWord()) value = lexer.TakeAny();
  KINGLET_RETURN_IF_ERROR(CheckValue(value));
  requirement.values.push_back(std::move(value));
  return requirement;
}

std::optional<int64_t> ToInt(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool Holds(const Requirement& requirement, const Json* label) {
  auto listed = [&] {
    return std::binary_search(requirement.values.begin(), requirement.values.end(),
                              label->AsString());
  };
  switch (requirement.op) {
    case Op::kIn:
      return label && listed();
    case Op::kNotIn:
      return !label || !listed();
    case Op::kExists:
      return label != nullptr;
    case Op::kNotExists:
      return label == nullptr;
    case Op::kGreater:
    case Op::kLess: {
      if (!label || requirement.values.empty()) return false;
      auto have = ToInt(label->AsString()), bound = ToInt(requirement.values[0]);
      if (!have || !bound) return false;
      return requirement.op == Op::kGreater ? *have > *bound : *have < *bound;
    }
  }
  return false;
}

Result<Op> ParseOperator(std::string_view text) {
  if (text == "In") return Op::kIn;
  if (text == "NotIn") return Op::kNotIn;
  if (text == "Exists") return Op::kExists;
  if (text == "DoesNotExist") return Op::kNotExists;
  return Fail(Code::kInvalidArgument, "\"{}\" is not a valid label selector operator", text);
}

std::string ScalarText(const Json& value) {
  if (value.IsString()) return value.AsString();
  if (value.IsNull()) return "";
  return value.Dump();
}

const Json& Walk(const Json& object, std::string_view path) {
  const Json* at = &object;
  while (!path.empty()) {
    size_t dot = std::min(path.find('.'), path.size());
    at = &(*at)[path.substr(0, dot)];
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *at;
}

}  // namespace

Result<LabelSelector> LabelSelector::Parse(std::string_view text) {
  if (text.size() > kMaxSelector) {
    return Fail(Code::kInvalidArgument, "the label selector is too long");
  }
  LabelSelector selector;
  Lexer lexer(text);
  while (!lexer.end()) {
    auto requirement = ParseRequirement(lexer);
    if (!requirement) {
      return Unexpected(requirement.error().WithContext(
          fmt::format("unable to parse label selector \"{}\"", text)));
    }
    selector.requirements_.push_back(std::move(*requirement));
    if (lexer.end()) break;
    if (!lexer.Take(",") || lexer.end()) {
      return Fail(Code::kInvalidArgument, "unable to parse label selector \"{}\": expected {}",
                  text, lexer.end() ? "a key after ','" : "','");
    }
  }
  return selector;
}

Result<LabelSelector> LabelSelector::FromJson(const Json& selector) {
  LabelSelector out;
  if (selector.IsNull()) {
    out.nothing_ = true;
    return out;
  }
  out = FromMap(selector["matchLabels"]);
  for (const Json& expression : selector["matchExpressions"].AsArray()) {
    Requirement requirement{expression["key"].AsString(), Op::kExists, {}};
    KINGLET_RETURN_IF_ERROR(CheckKey(requirement.key));
    KINGLET_TRY(requirement.op, ParseOperator(expression["operator"].AsString()));
    for (const Json& value : expression["values"].AsArray()) {
      requirement.values.push_back(value.AsString());
    }
    std::sort(requirement.values.begin(), requirement.values.end());
    bool takes_values = requirement.op == Op::kIn || requirement.op == Op::kNotIn;
    if (takes_values == requirement.values.empty()) {
      return Fail(Code::kInvalidArgument, "label selector: {} for key {} {}",
                  expression["operator"].AsString(), requirement.key,
                  takes_values ? "needs values" : "takes no values");
    }
    out.requirements_.push_back(std::move(requirement));
  }
  return out;
}

LabelSelector LabelSelector::FromMap(const Json& labels) {
  LabelSelector out;
  for (const auto& [key, value] : labels.AsObject()) {
    out.requirements_.push_back({key, Op::kIn, {value.AsString()}});
  }
  return out;
}

bool LabelSelector::Matches(const Json& labels) const {
  if (nothing_) return false;
  return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& r) {
    return Holds(r, labels.IsObject() ? labels.Find(r.key) : nullptr);
  });
}

std::string LabelSelector::ToString() const {
  std::string out;
  for (const Requirement& r : requirements_) {
    if (!out.empty()) out += ',';
    switch (r.op) {
      case Op::kExists:
        out += r.key;
        continue;
      case Op::kNotExists:
        out += "!" + r.key;
        continue;
      case Op::kGreater:
        out += r.key + ">" + r.values[0];
        continue;
      case Op::kLess:
        out += r.key + "<" + r.values[0];
        continue;
      case Op::kIn:
      case Op::kNotIn:
        break;
    }
    bool in = r.op == Op::kIn;
    if (r.values.size() == 1) {
      out += r.key + (in ? "=" : "!=") + r.values[0];
    } else {
      out += fmt::format("{} {} ({})", r.key, in ? "in" : "notin", fmt::join(r.values, ","));
    }
  }
  return out;
}

Result<FieldSelector> FieldSelector::Parse(std::string_view text) {
  FieldSelector selector;
  if (text.size() > kMaxSelector) {
    return Fail(Code::kInvalidArgument, "the field selector is too long");
  }
  size_t at = 0;
  while (at < text.size()) {
    Requirement requirement{"", true, ""};
    while (at < text.size() && text[at] != '=' && text[at] != '!' && text[at] != ',') {
      requirement.path += text[at++];
    }
    bool negated = at < text.size() && text[at] == '!';
    if (negated) ++at;
    if (requirement.path.empty() || at >= text.size() || text[at] != '=') {
      return Fail(Code::kInvalidArgument,
                  "invalid selector: '{}'; can't understand '{}': write path=value", text,
                  requirement.path);
    }
    ++at;
    if (!negated && at < text.size() && text[at] == '=') ++at;
    requirement.equals = !negated;
    while (at < text.size() && text[at] != ',') {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      requirement.value += text[at++];
    }
    if (at < text.size()) ++at;
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

bool FieldSelector::Matches(const Json& object) const {
  return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& r) {
    return (ScalarText(Walk(object, r.path)) == r.value) == r.equals;
  });
}

std::string FieldSelector::ToString() const {
  std::string out;
  for (const Requirement& r : requirements_) {
    if (!out.empty()) out += ',';
    out += r.path + (r.equals ? "=" : "!=");
    for (char c : r.value) {
      if (c == ',' || c == '=' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace kinglet::kube
