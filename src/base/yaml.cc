#include "base/yaml.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <sstream>

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

// Leaves yaml-cpp's parser, which knows no errors but exceptions.
struct Rejected {
  Error error;
};

// Makes values of the parser's events as they come, so that the budget is asked before memory is
// taken. An alias stands for the whole value that it names, each time, and is paid for as such.
class JsonBuilder : public YAML::EventHandler {
 public:
  explicit JsonBuilder(Budget& budget) : budget_(budget) {}

  std::vector<Json> TakeDocuments() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // Where a token cannot begin a document, yaml-cpp makes an empty one without taking the token,
    // for ever.
    if (mark.pos == document_start_) Reject(mark, "unexpected text");
    document_start_ = mark.pos;
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Pay(kValueBytes);
    Add(mark, {.cost = kValueBytes}, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const uint64_t cost = kValueBytes + text.size();
    Pay(cost);
    // "!" marks a quoted scalar, a tag an explicit string.
    const bool string = tag == "!" || tag == "tag:yaml.org,2002:str";
    Add(mark, {.value = string ? Json(text) : PlainScalar(text), .text = text, .cost = cost},
        anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto named = anchors_.find(anchor);
    if (named == anchors_.end()) Reject(mark, "an alias stands inside the value that it names");
    if (open_.size() + static_cast<size_t>(named->second.depth) > kMaxDepth) {
      Reject(mark, fmt::format("nested too deeply (the limit is {} levels)", kMaxDepth));
    }
    Pay(named->second.cost);
    Add(mark, named->second, 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, anchor, Json::MakeArray());
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, anchor, Json::MakeObject());
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Node {
    Json value;
    std::optional<std::string> text;  // of a scalar
    uint64_t cost = 0;
    int depth = 0;
  };
  // A list or map that has begun.
  struct Container {
    Budget::Level level;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    uint64_t paid_before;
    Json value;
    int depth = 1;
    std::optional<std::string> key = {};  // of a map: its value comes next
    YAML::Mark key_mark = {};
  };

  [[noreturn]] static void Reject(const YAML::Mark& mark, std::string_view what) {
    throw Rejected{
        Error(Code::kInvalidArgument, fmt::format("YAML line {}: {}", mark.line + 1, what))};
  }

  void Pay(uint64_t bytes) {
    if (Status status = budget_.Allocate(bytes); !status) {
      throw Rejected{status.error().WithContext("YAML")};
    }
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, Json empty) {
    auto level = budget_.Enter();
    if (!level) throw Rejected{level.error().WithContext("YAML")};
    const uint64_t paid = budget_.bytes_used();
    Pay(kValueBytes);
    open_.push_back({std::move(*level), mark, anchor, paid, std::move(empty)});
  }

  void Close() {
    Container done = std::move(open_.back());
    open_.pop_back();
    Add(done.mark,
        {.value = std::move(done.value),
         .text = {},
         .cost = budget_.bytes_used() - done.paid_before,
         .depth = done.depth},
        done.anchor);
  }

  // Puts a finished node where it belongs.
  void Add(const YAML::Mark& mark, Node node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      Pay(node.cost);
      anchors_.insert_or_assign(anchor, node);
    }
    if (open_.empty()) {
      if (!node.value.IsNull()) documents_.push_back(std::move(node.value));
      return;
    }
    Container& parent = open_.back();
    parent.depth = std::max(parent.depth, node.depth + 1);
    if (parent.value.IsArray()) {
      parent.value.Push(std::move(node.value));
    } else if (!parent.key) {
      if (!node.text) Reject(mark, "a key must be a scalar");
      parent.key = std::move(node.text);
      parent.key_mark = mark;
    } else {
      if (parent.value.Has(*parent.key)) {
        Reject(parent.key_mark, fmt::format("key \"{}\" is already set", *parent.key));
      }
      parent.value.Set(*parent.key, std::move(node.value));
      parent.key.reset();
    }
  }

  Budget& budget_;
  std::vector<Json> documents_;
  int document_start_ = -1;
  std::vector<Container> open_;
  std::map<YAML::anchor_t, Node> anchors_;
};

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
  Budget::Limits limits = Budget::LimitsFor(text.size());
  limits.depth = kMaxDepth;
  Budget budget(limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    JsonBuilder builder(budget);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.TakeDocuments();
  } catch (const Rejected& rejected) {
    return Unexpected(rejected.error);
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
