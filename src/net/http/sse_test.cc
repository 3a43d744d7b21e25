#include "net/http/sse.h"

#include <gtest/gtest.h>

namespace kinglet::http {
namespace {

std::string Parse(std::string_view bytes, size_t piece) {
  SseParser parser;
  std::string seen;
  for (size_t i = 0; i < bytes.size(); i += piece) {
    auto status = parser.Feed(bytes.substr(i, piece), [&](const SseEvent& event) -> Status {
      seen += fmt::format("[{}|{}|{}]", event.event, event.data, event.id);
      return {};
    });
    EXPECT_TRUE(status);
  }
  return seen;
}

TEST(Sse, ParsesWhatTheStandardShows) {
  for (size_t piece : {1, 2, 1000}) {
    EXPECT_EQ(Parse(": comment\n\ndata: a\ndata:b\n\nevent: add\r\nid: 7\r\ndata: c\r\n\r\ndata\r\r",
                    piece),
              "[|a\nb|][add|c|7][||7]");
    EXPECT_EQ(Parse("data: unfinished\n", piece), "");
  }
}

TEST(Sse, FormatReadsBack) {
  std::string out;
  AppendSseEvent(out, "two\nlines", "e", "1");
  EXPECT_EQ(out, "event: e\nid: 1\ndata: two\ndata: lines\n\n");
  EXPECT_EQ(Parse(out, 1), "[e|two\nlines|1]");
}

TEST(Sse, LimitsAnEvent) {
  SseParser parser(10);
  auto status = parser.Feed("data: far too long", [](const SseEvent&) -> Status { return {}; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace kinglet::http
