#include "base/text.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace kinglet {
namespace {

TEST(TextTest, EscapesWhatATerminalObeys) {
  struct Case {
    std::string_view text, one, many;
  };
  const Case cases[] = {
      {"plain", "plain", "plain"},
      {"", "", ""},
      {"Zürich 東京 🐦", "Zürich 東京 🐦", "Zürich 東京 🐦"},
      {"a\nb\tc", "a\\nb\\tc", "a\nb\tc"},
      {"over\rwrite", "over\\rwrite", "over\\rwrite"},
      {"\x1b[2J\x07\x08\x7f", "\\u001b[2J\\u0007\\u0008\\u007f", "\\u001b[2J\\u0007\\u0008\\u007f"},
      {"\xc2\x9b"
       "31m",
       "\\u009b31m", "\\u009b31m"},
      {"\xe2\x80\xaetxt\xe2\x81\xa6", "\\u202etxt\\u2066", "\\u202etxt\\u2066"},
      {"\xe2\x80\xa8", "\\u2028", "\\u2028"},
      // Not UTF-8: a stray byte, an overlong form, a surrogate, a cut character.
      {"\x9b"
       "31m",
       "\\x9b31m", "\\x9b31m"},
      {"\xc0\x9b", "\\xc0\\x9b", "\\xc0\\x9b"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80"},
      {"a\xe2\x80", "a\\xe2\\x80", "a\\xe2\\x80"},
  };
  for (const Case& item : cases) {
    EXPECT_EQ(EscapeControls(item.text), item.one);
    EXPECT_EQ(EscapeControls(item.text, Lines::kMany), item.many);
  }
  EXPECT_EQ(EscapeControls(std::string_view("a\0b", 3)), "a\\u0000b");
}

TEST(TextTest, EscapedJsonMeansTheSame) {
  const Json value =
      Json::MakeObject({{"a", "\xc2\x9b\x7f\xe2\x80\xae\x1b"}, {"b", Json::MakeArray({1})}});
  const std::string text = EscapeControls(value.DumpPretty(2), Lines::kMany);
  auto parsed = Json::Parse(text);
  ASSERT_TRUE(parsed) << text;
  EXPECT_EQ(*parsed, value);
}

}  // namespace
}  // namespace kinglet
