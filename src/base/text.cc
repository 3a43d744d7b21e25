#include "base/text.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace kinglet {
namespace {

constexpr uint32_t kInvalid = UINT32_MAX;

// The character that begins at text[0] and its length; kInvalid for what is no shortest-form UTF-8.
uint32_t Decode(std::string_view text, size_t* length) {
  *length = 1;
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return kInvalid;
  uint32_t code = first & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return kInvalid;
    code = code << 6 | (next & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
    return kInvalid;
  }
  *length = size;
  return code;
}

bool MustEscape(uint32_t code) {
  if (code == '\n' || code == '\t') return false;
  return code < 0x20 || (code >= 0x7f && code < 0xa0) ||       // C0, DEL, C1
         code == 0x2028 || code == 0x2029 ||                   // line and paragraph separator
         code == 0x61c || code == 0x200e || code == 0x200f ||  // direction marks
         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

void AppendEscaped(std::string& out, std::string_view text, Lines lines) {
  while (!text.empty()) {
    // Most text is printable ASCII: take as much as there is at once.
    size_t plain = 0;
    while (plain < text.size() && text[plain] >= 0x20 && text[plain] < 0x7f) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    size_t length = 1;
    const uint32_t code = Decode(text, &length);
    if (code == kInvalid) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (code == '\r' || (lines == Lines::kOne && (code == '\n' || code == '\t'))) {
      out += code == '\r' ? "\\r" : code == '\n' ? "\\n" : "\\t";
    } else if (MustEscape(code)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

std::string EscapeControls(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  AppendEscaped(out, text, lines);
  return out;
}

}  // namespace kinglet
