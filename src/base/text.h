// Text: ASCII case whatever the locale, and foreign text made safe to print.
#pragma once

#include <string>
#include <string_view>

namespace kinglet {

inline std::string AsciiLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

// Text from elsewhere (a server's answer, a request's path, a file name) as it may be printed to a
// terminal or a log: characters that a terminal obeys instead of showing become \uXXXX (\n, \r and
// \t), bytes that are no UTF-8 become \xXX. These are the control characters of ASCII and Latin-1,
// and the characters that change the direction of what follows. In a JSON string the escapes mean
// the same characters: JSON stays equal.
enum class Lines { kOne, kMany };  // kMany keeps line feeds and tabs; kOne escapes them, too
std::string EscapeControls(std::string_view text, Lines lines = Lines::kOne);
// The same, appended.
void AppendEscaped(std::string& out, std::string_view text, Lines lines = Lines::kOne);

}  // namespace kinglet
