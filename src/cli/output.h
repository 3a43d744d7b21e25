// Tables and colours.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace kinglet::cli {

enum class Colour { kNone, kRed, kGreen, kYellow, kCyan, kBold, kDim };
std::string Paint(std::string_view text, Colour colour, bool enabled);

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  // Colours do not count for the widths. Missing cells are empty.
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
void PrintObjects(std::ostream& out, const std::vector<Json>& objects, bool as_list,
                  std::string_view format);

}  // namespace kinglet::cli
