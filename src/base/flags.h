// Command-line flags. Words may be joined by "-" or "_", one or two leading dashes, "=" or a space
// before the value: --model-name x, --model_name=x, -model_name x.
//
//   Flags flags("kinglet-server", "Serves one model.");
//   flags.Add("http-port", &port, "REST port");
//   KINGLET_TRY(auto rest, flags.Parse(argc, argv));
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace kinglet {

class Flags {
 public:
  Flags(std::string program, std::string about);

  // The variable keeps its value as the default. Names are written with "-".
  void Add(std::string name, std::string* value, std::string help);
  void Add(std::string name, int64_t* value, std::string help);
  void Add(std::string name, double* value, std::string help);
  // Takes no value, or =true/false and the words of --enable_grpc (y, yes, on, 1, n, no, off, 0).
  void Add(std::string name, bool* value, std::string help);
  void Add(std::string name, std::vector<std::string>* values, std::string help);  // repeatable
  // One letter for an existing flag: -f.
  void Alias(char letter, std::string name);
  // A flag that takes a value and is left alone: for compatibility with arguments of KServe's
  // servers that have no meaning here. --help says so.
  void AddIgnored(std::string name, std::string why);

  // Positional arguments. kInvalidArgument names the flag and the nearest known one. After "--"
  // everything is positional. With `keep_unknown`, unknown flags are collected in unknown().
  Result<std::vector<std::string>> Parse(int argc, const char* const* argv,
                                         bool keep_unknown = false);
  Result<std::vector<std::string>> Parse(std::vector<std::string> arguments,
                                         bool keep_unknown = false);
  const std::vector<std::string>& unknown() const { return unknown_; }
  bool Given(std::string_view name) const;
  bool help_requested() const { return help_; }
  bool version_requested() const { return version_; }

  const std::string& program() const { return program_; }
  std::string Help() const;
  // Names of all flags, for shell completion.
  std::vector<std::string> Names() const;

 private:
  struct Ignored {};
  using Target =
      std::variant<std::string*, int64_t*, double*, bool*, std::vector<std::string>*, Ignored>;
  struct Flag {
    std::string name, help, default_text;
    Target target;
    char letter = 0;
    bool given = false;
  };
  void AddFlag(std::string name, Target target, std::string default_text, std::string help);
  Flag* Find(std::string_view name);
  Status SetValue(Flag& flag, std::string_view value);

  std::string program_, about_;
  std::vector<Flag> flags_;
  std::vector<std::string> unknown_;
  bool help_ = false, version_ = false;
};

// "Kinglet 0.1.0 (<commit>)", printed by --version.
std::string_view VersionText();
std::string_view VersionNumber();

}  // namespace kinglet
