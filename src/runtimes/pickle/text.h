// The text forms inside a pickle: escapes, encodings, numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kinglet::runtimes::pickle {

// UTF-8 as Python's "surrogatepass" takes it.
bool IsUtf8(std::string_view text);

// UTF-8 to one byte a character; nothing where a character is over U+00FF.
std::optional<std::string> Utf8ToLatin1(std::string_view text);

// Python's raw-unicode-escape (only \uXXXX and \UXXXXXXXX are escapes, other bytes are Latin-1).
std::optional<std::string> DecodeRawUnicodeEscape(std::string_view text);

// A quoted Python 2 string literal's bytes.
std::optional<std::string> DecodeQuoted(std::string_view literal);

// A decimal integer, or nothing where it is none; `fits` says whether it is within 64 bits.
std::optional<int64_t> ParseDecimal(std::string_view text, bool* fits);

// What repr(float) writes, with nan and inf.
std::optional<double> ParseFloat(std::string_view text);

}  // namespace kinglet::runtimes::pickle
