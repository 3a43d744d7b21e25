// Tables, colours, and what servers say.
//
// Names, messages, logs and predictions are foreign text: a terminal must not obey it. What is
// written for people (tables, sentences, errors) goes through EscapeControls, always. What is
// written for programs (JSON, YAML, logs, raw answers) goes through DataText, which changes it on a
// terminal only.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"

namespace kinglet::cli {

enum class Colour { kNone, kRed, kGreen, kYellow, kCyan, kBold, kDim };
// `text` must be fit for a terminal.
std::string Paint(std::string_view text, Colour colour, bool enabled);

// Text for programs: as it is, or with control characters escaped if the output is a terminal.
std::string DataText(const Context& context, std::string_view text);

class Table {
 public:
  explicit Table(std::vector<std::string> header);
  // Colours do not count for the widths. Missing cells are empty. Control characters in cells are
  // escaped.
  void Add(std::vector<std::string> cells, std::vector<Colour> colours = {});
  bool empty() const { return rows_.empty(); }
  void Print(std::ostream& out, bool colour) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::vector<Colour> colours;
  };
  std::vector<std::string> header_;
  std::vector<Row> rows_;
};

// "5m" since a creationTimestamp; "<unknown>" where there is none.
std::string Age(std::string_view rfc3339, WallTime now);

// Objects one after another: "json" (a List when there are several) or "yaml".
void PrintObjects(Context& context, const std::vector<Json>& objects, bool as_list,
                  std::string_view format);

}  // namespace kinglet::cli
