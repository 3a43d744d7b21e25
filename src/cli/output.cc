#include "cli/output.h"

#include <algorithm>
#include <ostream>

#include "base/yaml.h"

namespace kinglet::cli {
namespace {

// Characters, not bytes, so that non-ASCII names line up.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

std::string Paint(std::string_view text, Colour colour, bool enabled) {
  if (!enabled || colour == Colour::kNone || text.empty()) return std::string(text);
  std::string_view code;
  switch (colour) {
    case Colour::kNone:
      break;
    case Colour::kRed:
      code = "31";
      break;
    case Colour::kGreen:
      code = "32";
      break;
    case Colour::kYellow:
      code = "33";
      break;
    case Colour::kCyan:
      code = "36";
      break;
    case Colour::kBold:
      code = "1";
      break;
    case Colour::kDim:
      code = "2";
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string DataText(const Context& context, std::string_view text) {
  return context.is_tty ? EscapeControls(text, Lines::kMany) : std::string(text);
}

Table::Table(std::vector<std::string> header) : header_(std::move(header)) {
  for (std::string& name : header_) name = EscapeControls(name);
}

void Table::Add(std::vector<std::string> cells, std::vector<Colour> colours) {
  for (std::string& cell : cells) cell = EscapeControls(cell);
  cells.resize(header_.size());
  colours.resize(header_.size(), Colour::kNone);
  rows_.push_back({std::move(cells), std::move(colours)});
}

void Table::Print(std::ostream& out, bool colour) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < header_.size(); ++i) {
    size_t width = Width(header_[i]);
    for (const Row& row : rows_) width = std::max(width, Width(row.cells[i]));
    widths.push_back(width);
  }
  auto line = [&](const std::vector<std::string>& cells, const std::vector<Colour>& colours) {
    for (size_t i = 0; i < cells.size(); ++i) {
      out << Paint(cells[i], colours[i], colour);
      if (i + 1 < cells.size()) out << std::string(widths[i] - Width(cells[i]) + 3, ' ');
    }
    out << "\n";
  };
  line(header_, std::vector<Colour>(header_.size(), Colour::kBold));
  for (const Row& row : rows_) line(row.cells, row.colours);
}

std::string Age(std::string_view rfc3339, WallTime now) {
  auto then = ParseRfc3339(rfc3339);
  if (!then) return "<unknown>";
  return HumanDuration(std::max<Duration>(Duration::zero(), now - *then));
}

void PrintObjects(Context& context, const std::vector<Json>& objects, bool as_list,
                  std::string_view format) {
  Json value;
  if (as_list) {
    value = Json::MakeObject({{"apiVersion", "v1"},
                              {"kind", "List"},
                              {"metadata", Json::MakeObject()},
                              {"items", Json(Json::Array(objects.begin(), objects.end()))}});
  } else if (!objects.empty()) {
    value = objects[0];
  }
  std::string text = format == "yaml" ? DumpYaml(value) : value.DumpPretty(4);
  context.out << DataText(context, text);
  if (!text.ends_with('\n')) context.out << "\n";
}

}  // namespace kinglet::cli
