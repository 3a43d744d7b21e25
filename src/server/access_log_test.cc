#include "server/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace kinglet::server {
namespace {

class FakeExchange : public http::Exchange {
 public:
  std::string_view method() const override { return "GET"; }
  std::string_view target() const override { return "/a?b=c"; }
  std::string_view path() const override { return "/a"; }
  std::string_view query() const override { return "b=c"; }
  std::string_view Header(std::string_view name) const override {
    return name == "x-id" ? "7" : "";
  }
  http::Headers headers() const override { return {}; }
  std::string peer() const override { return "1.2.3.4:56"; }
  std::string local() const override { return "127.0.0.1:8080"; }
  net::Loop& loop() override { std::abort(); }
  std::stop_token stop() const override { return {}; }
  net::Task<Result<std::string_view>> ReadBody(size_t) override { std::abort(); }
  bool BufferedBody(std::string_view*) override { return false; }
  net::Task<Result<std::string_view>> ReadSome() override { std::abort(); }
  void Send(int, std::string_view, std::string_view, const http::Headers*) override {}
  void SendHead(int, const http::Headers&) override {}
  net::Task<Status> Write(std::string_view) override { std::abort(); }
  net::Task<Status> End() override { std::abort(); }
  bool responded() const override { return false; }
};

std::string Line(std::string_view format) {
  auto log = AccessLog::Parse(format);
  EXPECT_TRUE(log) << log.error().ToString();
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  LineLog lines(nullptr, ends[1]);
  log->Append(FakeExchange(), 200, 12, std::chrono::microseconds(2500), &lines);
  char text[512];
  ssize_t size = read(ends[0], text, sizeof(text));
  close(ends[0]);
  close(ends[1]);
  return std::string(text, size > 0 ? static_cast<size_t>(size) : 0);
}

TEST(AccessLog, Formats) {
  EXPECT_EQ(Line("%(h)s \"%(r)s\" %(s)s %(b)s %(M)dms %(D)s %({x-id}i)s %(f)s 100%%"),
            "1.2.3.4 \"GET /a?b=c HTTP/1.1\" 200 12 2ms 2500 7 - 100%\n");
  EXPECT_THAT(Line(""), testing::HasSubstr("uvicorn.access INFO:     1.2.3.4:56 "));
  EXPECT_THAT(Line(""), testing::EndsWith("- \"GET /a?b=c HTTP/1.1\" 200 OK\n"));
  EXPECT_FALSE(AccessLog::Parse("%(nope)s"));
  EXPECT_FALSE(AccessLog::Parse("%x"));
  EXPECT_FALSE(AccessLog::Parse("%(h)"));
}

}  // namespace
}  // namespace kinglet::server
