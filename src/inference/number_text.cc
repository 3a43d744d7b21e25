#include "inference/number_text.h"

#include <charconv>
#include <cmath>

namespace kinglet::inference {

void AppendNumber(std::string* out, double value) {
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  char text[40];
  double magnitude = std::fabs(value);
  // Python's repr switches to an exponent outside of [1e-4, 1e16).
  bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  // Whole numbers are common (class labels, votes) and much cheaper as integers.
  if (plain && magnitude < 1e15 && value == std::trunc(value)) {
    if (std::signbit(value)) out->push_back('-');
    auto end = std::to_chars(text, text + sizeof(text), static_cast<int64_t>(magnitude)).ptr;
    *end++ = '.';
    *end++ = '0';
    out->append(text, end);
    return;
  }
  auto end = std::to_chars(text, text + sizeof(text), value,
                           plain ? std::chars_format::fixed : std::chars_format::scientific)
                 .ptr;
  if (plain && magnitude >= 1e15 && value == std::trunc(value)) {
    *end++ = '.';
    *end++ = '0';
  }
  out->append(text, end);
}

void AppendNumber(std::string* out, int64_t value) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

void AppendNumber(std::string* out, uint64_t value) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace kinglet::inference
