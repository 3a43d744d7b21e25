#include "net/http/parser.h"

#include <gtest/gtest.h>

#include <string>

namespace kinglet::http {
namespace {

using State = HeadParser::State;

// 0 when the head is accepted, the error's status when not, -1 when more is wanted.
int Verdict(std::string_view bytes) {
  HeadParser parser(HeadParser::Kind::kRequest);
  State whole = parser.Parse(bytes);
  // However the bytes are cut, the verdict is the same.
  HeadParser pieces(HeadParser::Kind::kRequest);
  State state = State::kIncomplete;
  for (size_t n = 1; n <= bytes.size() && state == State::kIncomplete; ++n) {
    std::string moved(bytes.substr(0, n));
    state = pieces.Parse(moved);
  }
  EXPECT_EQ(static_cast<int>(whole), static_cast<int>(state)) << bytes;
  EXPECT_EQ(parser.error_status(), pieces.error_status()) << bytes;
  if (whole == State::kDone) return 0;
  return whole == State::kError ? parser.error_status() : -1;
}

TEST(HeadParser, Accepts) {
  for (const char* bytes : {
           "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
           "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET / HTTP/1.0\r\n\r\n",
           "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET http://A:80?c HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET https://a:81/ HTTP/1.1\r\nHost: a:81\r\n\r\n",
           "GET http://a/ HTTP/1.0\r\n\r\n",
           "GET /\xc3\xa9?q=%20 HTTP/1.1\r\nHost: a\r\nX: \xff\t!\r\n\r\n",
           "GET / HTTP/1.1\r\nHost:\r\nEmpty:   \r\n\r\n",
           "POST / HTTP/1.1\r\nhOST: a\r\ncontent-LENGTH: 000123\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
       }) {
    EXPECT_EQ(Verdict(bytes), 0) << bytes;
  }
}

TEST(HeadParser, Refuses) {
  struct Case {
    std::string bytes;
    int status;
  };
  const std::string start = "POST / HTTP/1.1\r\nHost: a\r\n";
  for (auto& c : std::vector<Case>{
           {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
           {"GET /\r\nHost: a\r\n\r\n", 400},
           {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
           {"GET / HTTP/1.1\r\n\r\n", 400},  // no Host
           {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501},
           {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n", 400},
           {"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET http:///a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET http://b?http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET / HTTP/1.1\nHost: a\n\n", 400},  // bare LF
           {start + "A: b\rc\r\n\r\n", 400},      // bare CR
           {start + "A : b\r\n\r\n", 400},        // white space before the colon
           {start + "A\r\n\r\n", 400},
           {start + ": b\r\n\r\n", 400},
           {start + "A: b\r\n c\r\n\r\n", 400},  // folded
           {start + std::string("A: b\0c\r\n\r\n", 10), 400},
           {start + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
           {start + "Content-Length: 1, 1\r\n\r\n", 400},
           {start + "Content-Length: +1\r\n\r\n", 400},
           {start + "Content-Length: -1\r\n\r\n", 400},
           {start + "Content-Length: 0x1\r\n\r\n", 400},
           {start + "Content-Length: \r\n\r\n", 400},
           {start + "Content-Length: 99999999999999999999\r\n\r\n", 400},
           {start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {start + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
           {start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {start + "Transfer-Encoding: identity\r\n\r\n", 501},
           {start + "Transfer-Encoding: chunked, chunked\r\n\r\n", 501},
           {start + "Transfer-Encoding: xchunked\r\n\r\n", 501},
           {start + "Transfer-Encoding:\vchunked\r\n\r\n", 400},
           {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {start + "Expect: something\r\n\r\n", 417},
       }) {
    EXPECT_EQ(Verdict(c.bytes), c.status) << c.bytes;
  }
}

TEST(HeadParser, ReadsResponses) {
  struct Case {
    const char* head;
    const char* method;
    Framing framing;
    bool keep_alive;
  };
  for (auto& c : std::vector<Case>{
           {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", Framing::kLength, true},
           {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", Framing::kNone, true},
           {"HTTP/1.1 200\r\n\r\n", "GET", Framing::kUntilClose, true},
           {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", Framing::kLength, false},
           {"HTTP/1.1 204 No Content\r\n\r\n", "GET", Framing::kNone, true},
           {"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", "GET", Framing::kNone, true},
           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", "GET",
            Framing::kChunked, false},
       }) {
    HeadParser parser(HeadParser::Kind::kResponse);
    ASSERT_EQ(parser.Parse(c.head), State::kDone) << c.head;
    EXPECT_EQ(parser.ResponseFraming(c.method), c.framing) << c.head;
    EXPECT_EQ(parser.keep_alive(), c.keep_alive) << c.head;
  }
  for (const char* bad : {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n",
                          "HTTP/1.1 099 x\r\n\r\n", "HTTP/1.1 2000\r\n\r\n"}) {
    HeadParser parser(HeadParser::Kind::kResponse);
    EXPECT_EQ(parser.Parse(bad), State::kError) << bad;
  }
}

// The decoded body followed by what was left over, or "error".
std::string Decode(std::string_view bytes, size_t piece) {
  ChunkDecoder decoder;
  std::string body;
  std::string pending;
  for (size_t i = 0; i < bytes.size(); i += piece) {
    pending.append(bytes.substr(i, piece));
    while (!pending.empty() && !decoder.done()) {
      auto step = decoder.Next(pending);
      if (step.state == ChunkDecoder::State::kError) return "error";
      body.append(step.payload);
      pending.erase(0, step.consumed);
    }
  }
  return decoder.done() ? body + "|" + pending : "incomplete";
}

TEST(ChunkDecoder, Table) {
  struct Case {
    std::string bytes, want;
  };
  for (auto& c : std::vector<Case>{
           {"5\r\nhello\r\n0\r\n\r\nNEXT", "hello|NEXT"},
           {"0\r\n\r\n", "|"},
           {"00005;name=value\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n", "hello!|"},
           {"A\r\n0123456789\r\n0\r\n\r\n", "0123456789|"},
           {"5\r\nhel", "incomplete"},
           {"5\nhello\r\n0\r\n\r\n", "error"},
           {"5\r\nhelloX\r\n0\r\n\r\n", "error"},
           {"\r\nhello\r\n0\r\n\r\n", "error"},
           {"-1\r\n\r\n", "error"},
           {"0x5\r\nhello\r\n0\r\n\r\n", "error"},
           {"5 \r\nhello\r\n0\r\n\r\n", "error"},
           {"FFFFFFFFFFFFFFFF\r\n", "error"},
           {"5\r\nhello\r\n0\r\nA: \x01\r\n\r\n", "error"},
           {"0;" + std::string(20'000, 'x') + "\r\n\r\n", "error"},
       }) {
    for (size_t piece : {size_t{1}, size_t{3}, c.bytes.size()}) {
      EXPECT_EQ(Decode(c.bytes, piece), c.want) << c.bytes << " by " << piece;
    }
  }
}

}  // namespace
}  // namespace kinglet::http
