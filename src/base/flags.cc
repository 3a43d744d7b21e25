#include "base/flags.h"

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "base/version.h"

namespace kinglet {
namespace {

std::string Canonical(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

Result<bool> ParseBool(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::string_view word : {"y", "yes", "t", "true", "on", "1"}) {
    if (lower == word) return true;
  }
  for (std::string_view word : {"n", "no", "f", "false", "off", "0"}) {
    if (lower == word) return false;
  }
  return Fail(Code::kInvalidArgument, "invalid truth value \"{}\"", text);
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

template <class T>
Result<T> ParseNumber(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Fail(Code::kInvalidArgument, "\"{}\" is not a number", text);
  }
  return value;
}

}  // namespace

std::string_view VersionNumber() { return KINGLET_VERSION; }
std::string_view VersionText() { return "Kinglet " KINGLET_VERSION; }

Flags::Flags(std::string program, std::string about)
    : program_(std::move(program)), about_(std::move(about)) {}

void Flags::AddFlag(std::string name, Target target, std::string default_text, std::string help) {
  flags_.push_back({std::move(name), std::move(help), std::move(default_text), target});
}

void Flags::Add(std::string name, std::string* value, std::string help) {
  AddFlag(std::move(name), value, *value, std::move(help));
}
void Flags::Add(std::string name, int64_t* value, std::string help) {
  AddFlag(std::move(name), value, std::to_string(*value), std::move(help));
}
void Flags::Add(std::string name, double* value, std::string help) {
  std::string text;
  AppendJsonNumber(text, *value);
  AddFlag(std::move(name), value, text, std::move(help));
}
void Flags::Add(std::string name, bool* value, std::string help) {
  AddFlag(std::move(name), value, *value ? "true" : "false", std::move(help));
}
void Flags::Add(std::string name, std::vector<std::string>* values, std::string help) {
  AddFlag(std::move(name), values, "", std::move(help));
}
void Flags::AddIgnored(std::string name, std::string why) {
  AddFlag(std::move(name), Ignored{}, "", std::move(why));
}

void Flags::Alias(char letter, std::string name) {
  Flag* flag = Find(name);
  KINGLET_CHECK(flag != nullptr);
  flag->letter = letter;
}

Flags::Flag* Flags::Find(std::string_view name) {
  for (Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

bool Flags::Given(std::string_view name) const {
  return std::any_of(flags_.begin(), flags_.end(),
                     [&](const Flag& flag) { return flag.name == name && flag.given; });
}

Status Flags::SetValue(Flag& flag, std::string_view value) {
  auto in_context = [&](const Error& error) {
    return Unexpected(error.WithContext("--" + flag.name));
  };
  flag.given = true;
  if (auto* text = std::get_if<std::string*>(&flag.target)) {
    **text = value;
  } else if (auto* number = std::get_if<int64_t*>(&flag.target)) {
    auto parsed = ParseNumber<int64_t>(value);
    if (!parsed) return in_context(parsed.error());
    **number = *parsed;
  } else if (auto* real = std::get_if<double*>(&flag.target)) {
    auto parsed = ParseNumber<double>(value);
    if (!parsed) return in_context(parsed.error());
    **real = *parsed;
  } else if (auto* truth = std::get_if<bool*>(&flag.target)) {
    auto parsed = ParseBool(value);
    if (!parsed) return in_context(parsed.error());
    **truth = *parsed;
  } else if (auto* list = std::get_if<std::vector<std::string>*>(&flag.target)) {
    (*list)->emplace_back(value);
  }
  return {};
}

Result<std::vector<std::string>> Flags::Parse(int argc, const char* const* argv,
                                              bool keep_unknown) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
  return Parse(std::move(arguments), keep_unknown);
}

Result<std::vector<std::string>> Flags::Parse(std::vector<std::string> arguments,
                                              bool keep_unknown) {
  std::vector<std::string> positional;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      positional.insert(positional.end(), arguments.begin() + static_cast<long>(i) + 1,
                        arguments.end());
      break;
    }
    if (argument.size() < 2 || argument[0] != '-' ||
        (argument[1] >= '0' && argument[1] <= '9')) {
      positional.push_back(argument);
      continue;
    }
    size_t dashes = argument[1] == '-' ? 2 : 1;
    size_t equals = argument.find('=');
    bool has_value = equals != std::string::npos;
    std::string name = Canonical(argument.substr(dashes, equals - dashes));
    if (name == "help" || (name == "h" && dashes == 1)) {
      help_ = true;
      continue;
    }
    if (name == "version" && Find("version") == nullptr) {
      version_ = true;
      continue;
    }
    Flag* flag = Find(name);
    if (!flag && dashes == 1 && name.size() == 1) {
      auto it = std::find_if(flags_.begin(), flags_.end(),
                             [&](const Flag& f) { return f.letter == name[0]; });
      if (it != flags_.end()) flag = &*it;
    }
    if (!flag) {
      if (keep_unknown) {
        unknown_.push_back(argument);
        // A value that follows belongs to the unknown flag.
        if (!has_value && i + 1 < arguments.size() && !arguments[i + 1].starts_with('-')) {
          unknown_.push_back(arguments[++i]);
        }
        continue;
      }
      std::string nearest;
      size_t best = 4;
      for (const Flag& known : flags_) {
        size_t distance = EditDistance(name, known.name);
        if (distance < best) {
          best = distance;
          nearest = known.name;
        }
      }
      return Fail(Code::kInvalidArgument, "unknown flag {}{} (see {} --help)", argument,
                  nearest.empty() ? "" : ": did you mean --" + nearest + "?", program_);
    }
    bool is_bool = std::holds_alternative<bool*>(flag->target);
    std::string value;
    if (has_value) {
      value = argument.substr(equals + 1);
    } else if (is_bool) {
      value = "true";
      // --enable_grpc false, as argparse reads it.
      if (i + 1 < arguments.size() && ParseBool(arguments[i + 1])) value = arguments[++i];
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return Fail(Code::kInvalidArgument, "--{} needs a value", flag->name);
    }
    KINGLET_RETURN_IF_ERROR(SetValue(*flag, value));
  }
  return positional;
}

std::string Flags::Help() const {
  std::string out = fmt::format("{}\n\nUsage: {} [flags]\n\nFlags:\n", about_, program_);
  size_t width = 0;
  for (const Flag& flag : flags_) width = std::max(width, flag.name.size());
  auto line = [&](char letter, std::string_view name, std::string_view help,
                  std::string_view default_text) {
    out += letter ? fmt::format("  -{}, ", letter) : "      ";
    out += fmt::format("--{:<{}}  {}", name, std::max<size_t>(width, 7), help);
    if (!default_text.empty()) out += fmt::format(" (default {})", default_text);
    out += '\n';
  };
  for (const Flag& flag : flags_) {
    bool ignored = std::holds_alternative<Ignored>(flag.target);
    line(flag.letter, flag.name, ignored ? "accepted and ignored: " + flag.help : flag.help,
         flag.default_text);
  }
  line('h', "help", "this text", "");
  line(0, "version", "the version", "");
  out += "\nWords of a flag may be joined by \"-\" or \"_\".\n";
  return out;
}

std::vector<std::string> Flags::Names() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) names.push_back(flag.name);
  return names;
}

}  // namespace kinglet
