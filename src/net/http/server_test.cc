#include "net/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "net/http/client.h"
#include "net/http/test_server.h"

namespace kinglet::http {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Answers "METHOD TARGET BODY".
net::Task<void> Echo(Exchange& exchange) {
  auto body = co_await exchange.ReadBody();
  if (!body) {
    exchange.Send(HttpStatus(body.error().code()), "text/plain", body.error().message());
    co_return;
  }
  exchange.Send(200, "text/plain",
                fmt::format("{} {} {}", exchange.method(), exchange.target(), *body));
}

bool FastEcho(Exchange& exchange) {
  std::string_view body;
  if (exchange.path() == "/slow" || !exchange.BufferedBody(&body)) return false;
  exchange.Send(200, "text/plain",
                fmt::format("{} {} {}", exchange.method(), exchange.target(), body));
  return true;
}

std::string Ask(const TestServer& server, std::string_view bytes) {
  RawClient client(server.server->port());
  client.Send(bytes);
  client.HalfClose();
  return client.ReadAll();
}

TEST(Server, AnswersAndKeepsTheConnection) {
  for (bool fast : {false, true}) {
    TestServer server(Echo, fast ? FastHandler(FastEcho) : FastHandler());
    RawClient client(server.server->port());
    for (int i = 0; i < 3; ++i) {
      client.Send("POST /a?b=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
      std::string head = client.ReadUntil("\r\n\r\n");
      EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
      EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 17\r\n"));
      EXPECT_THAT(head, HasSubstr("\r\nContent-Type: text/plain\r\n"));
      EXPECT_THAT(head, HasSubstr(" GMT\r\n"));
      EXPECT_EQ(client.ReadUntil("hello"), "POST /a?b=1 hello");
    }
  }
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  for (bool fast : {false, true}) {
    TestServer server(Echo, fast ? FastHandler(FastEcho) : FastHandler());
    std::string requests;
    for (int i = 0; i < 500; ++i) {
      requests += fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", i);
      requests += fmt::format(
          "POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
          "chunked\r\n\r\n3\r\n{:03}\r\n0\r\n\r\n",
          i);
    }
    std::string answers = Ask(server, requests);
    size_t at = 0;
    for (int i = 0; i < 500; ++i) {
      at = answers.find(fmt::format("GET /{} ", i), at);
      ASSERT_NE(at, std::string::npos) << i;
      at = answers.find(fmt::format("POST /slow {:03}", i), at);
      ASSERT_NE(at, std::string::npos) << i;
    }
  }
}

TEST(Server, TakesARequestByteByByte) {
  TestServer server(Echo, FastEcho);
  RawClient client(server.server->port());
  for (std::string_view request : {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
                                   "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                   "chunked\r\n\r\n1\r\na\r\n2;q=1\r\nbc\r\n0\r\nT: 1"
                                   "\r\n\r\n"}) {
    for (char c : request) client.Send({&c, 1});
    EXPECT_THAT(client.ReadUntil("POST /x abc"), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
}

TEST(Server, RefusesMalformedRequestsAndCloses) {
  TestServer server(Echo);
  struct Case {
    const char* request;
    const char* status;
  } cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
      {"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "417"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000000\r\n\r\n", "413"},
  };
  for (auto& c : cases) {
    std::string answer = Ask(server, c.request);
    EXPECT_THAT(answer, StartsWith(fmt::format("HTTP/1.1 {} ", c.status))) << c.request;
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n")) << c.request;
  }
}

TEST(Server, LimitsTheHead) {
  TestServer server(Echo, {}, {.max_header_bytes = 1000, .max_headers = 5});
  EXPECT_THAT(Ask(server, "GET /" + std::string(2000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"),
              StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(Ask(server, "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'a') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(
      Ask(server, "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n\r\n"),
      StartsWith("HTTP/1.1 431 "));
}

TEST(Server, LimitsTheBody) {
  TestServer server(Echo, {}, {.max_body_bytes = 100'000});
  std::string chunks;
  for (int i = 0; i < 20; ++i) chunks += "2000\r\n" + std::string(0x2000, 'x') + "\r\n";
  EXPECT_THAT(Ask(server, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                              chunks + "0\r\n\r\n"),
              StartsWith("HTTP/1.1 429 "));
  // A body that is cut short reaches no handler.
  EXPECT_EQ(Ask(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"), "");
}

TEST(Server, LargeBodiesArriveWhole) {
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    auto body = co_await exchange.ReadBody();
    uint64_t sum = 0;
    for (unsigned char c : *body) sum = sum * 31 + c;
    exchange.Send(200, "text/plain",
                  fmt::format("{} {} {}", exchange.Header("x-tag"), body->size(), sum));
  });
  std::string body(5'000'000, ' ');
  uint64_t sum = 0;
  for (size_t i = 0; i < body.size(); ++i) {
    body[i] = static_cast<char>(i * 7 + i / 1000);
    sum = sum * 31 + static_cast<unsigned char>(body[i]);
  }
  auto client = Client::Make();
  ClientRequest request{.method = "POST", .url = server.Url(), .headers = {}, .body = body};
  request.headers.Add("X-Tag", "kept");
  auto response = client->Do(request);
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->body, fmt::format("kept 5000000 {}", sum));
}

TEST(Server, SendsContinueWhenTheBodyIsWanted) {
  TestServer server(Echo);
  RawClient client(server.server->port());
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  EXPECT_THAT(client.ReadUntil("POST / abc"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(Server, HeadAndEmptyStatusesHaveNoBody) {
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    exchange.Send(exchange.path() == "/none" ? 204 : 200, "text/plain", "12345");
    co_return;
  });
  RawClient client(server.server->port());
  client.Send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("Content-Length: 5\r\n"));
  std::string second = client.ReadUntil("\r\n\r\n");
  EXPECT_THAT(second, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(second, Not(HasSubstr("Content-Length")));
}

TEST(Server, SpeaksHttp10) {
  TestServer server(Echo);
  EXPECT_THAT(Ask(server, "GET / HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close\r\n"));
  RawClient client(server.server->port());
  client.Send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("GET / "), HasSubstr("Connection: keep-alive\r\n"));
}

TEST(Server, StreamsBothWays) {
  // Echoes pieces as they come.
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    exchange.SendHead(200, {});
    while (true) {
      auto piece = co_await exchange.ReadSome();
      if (!piece || piece->empty()) break;
      if (!co_await exchange.Write(*piece)) co_return;
    }
    (void)co_await exchange.End();
  });
  RawClient client(server.server->port());
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
  for (int i = 0; i < 3; ++i) {
    client.Send("4\r\nping\r\n");
    EXPECT_EQ(client.ReadUntil("ping\r\n"), "4\r\nping\r\n");
  }
  client.Send("0\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "0\r\n\r\n");
}

TEST(Server, UnansweredIs500AndUnendedStreamIsCut) {
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    if (exchange.path() == "/cut") {
      exchange.SendHead(200, {});
      (void)co_await exchange.Write("part");
    }
  });
  EXPECT_THAT(Ask(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 500 "));
  std::string cut = Ask(server, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(cut, HasSubstr("4\r\npart\r\n"));
  EXPECT_THAT(cut, Not(HasSubstr("\r\n0\r\n")));
}

TEST(Server, ClientThatLeavesStopsTheHandler) {
  std::latch started(1), stopped(1);
  TestServer server([&](Exchange& exchange) -> net::Task<void> {
    std::stop_token stop = exchange.stop();
    started.count_down();
    bool slept = co_await exchange.loop().Sleep(std::chrono::minutes(5), stop);
    if (!slept) stopped.count_down();
  });
  RawClient client(server.server->port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  started.wait();
  client.Close();
  stopped.wait();
}

TEST(Server, SlowReaderHoldsTheWriterBack) {
  constexpr size_t kPieces = 2000;
  std::atomic<size_t> written{0};
  TestServer server([&](Exchange& exchange) -> net::Task<void> {
    exchange.SendHead(200, {});
    std::string piece(10'000, 'x');
    for (size_t i = 0; i < kPieces; ++i) {
      if (!co_await exchange.Write(piece)) co_return;
      ++written;
    }
    (void)co_await exchange.End();
  });
  RawClient client(server.server->port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  EXPECT_LT(written, kPieces);  // 20 MB fit in no socket buffer
  std::string all = client.ReadAll();
  EXPECT_EQ(written, kPieces);
  EXPECT_THAT(all.substr(all.size() - 5), "0\r\n\r\n");
}

TEST(Server, TimesOutHalfRequests) {
  TestServer server(Echo, {}, {.header_timeout = std::chrono::milliseconds(50)});
  RawClient client(server.server->port());
  client.Send("GET / HTTP/1.1\r\nHos");
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 408 "));
  RawClient silent(server.server->port());
  EXPECT_TRUE(silent.AtEnd());
}

TEST(Server, IdleConnectionsMakeRoomWhenItIsCrowded) {
  TestServer server(Echo, {},
                    {.max_connections = 8, .crowded_timeout = std::chrono::milliseconds(50)});
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 8; ++i) {
    idle.push_back(std::make_unique<RawClient>(server.server->port()));
    idle.back()->Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(idle.back()->ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(idle[7]->ReadAll(), ::testing::Not(HasSubstr("HTTP/1.1")));  // closed
  RawClient next(server.server->port());
  next.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(next.ReadAll(), StartsWith("HTTP/1.1 200 "));
  // Those that came before it was crowded stay.
  idle[0]->Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(idle[0]->ReadAll(), HasSubstr("HTTP/1.1 200 "));
}

TEST(Server, BodiesThatDoNotComeMakeRoomWhenItIsCrowded) {
  TestServer server(Echo, {},
                    {.max_connections = 8, .crowded_timeout = std::chrono::milliseconds(50)});
  // A small body is waited for before the handler runs, a large one by the handler.
  for (const char* length : {"10", "1000000"}) {
    std::vector<std::unique_ptr<RawClient>> waiting;
    for (int i = 0; i < 8; ++i) {
      waiting.push_back(std::make_unique<RawClient>(server.server->port()));
      waiting.back()->Send(
          fmt::format("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", length));
    }
    EXPECT_THAT(waiting[7]->ReadAll(), testing::Not(StartsWith("HTTP/1.1 200 "))) << length;
    // The server reads on for a moment, lest its answer be lost.
    waiting.pop_back();
    std::string answer;
    for (int i = 0; i < 500 && !answer.starts_with("HTTP/1.1 200 "); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      RawClient next(server.server->port());
      next.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      answer = next.ReadAll();
    }
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 ")) << length;
  }
}

// Whoever is slow in any way makes room for the next when the server is full.
TEST(Server, TheLongestWaitingMakesRoomWhenItIsFull) {
  TestServer server(Echo, FastEcho, {.max_connections = 4});
  for (const char* held :
       {"", "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n1",
        "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n"}) {
    std::vector<std::unique_ptr<RawClient>> holders;
    for (int i = 0; i < 12; ++i) {
      holders.push_back(std::make_unique<RawClient>(server.server->port()));
      holders.back()->Send(held);
    }
    RawClient next(server.server->port());
    next.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string answer = next.ReadAll();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 ")) << held;
  }
}

// Pieces of one byte cost far more to read than they take to send.
TEST(Server, AClientThatNeverPausesDoesNotKeepOthersWaiting) {
  TestServer server(Echo, FastEcho);
  RawClient flood(server.server->port());
  flood.Send("POST /flood HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string chunks;
  for (int i = 0; i < 100'000; ++i) chunks += "1\r\na\r\n";
  std::jthread sender([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && flood.Send(chunks)) continue;
  });
  for (int i = 0; i < 20; ++i) {
    RawClient other(server.server->port());
    other.Send("GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(other.ReadAll(), HasSubstr("GET /other "));
  }
  sender.request_stop();
}

// A body that trickles in is never idle, so only request_timeout ends it, small or streamed.
TEST(Server, TimesOutBodiesThatTrickle) {
  TestServer server(Echo, {}, {.request_timeout = std::chrono::milliseconds(200)});
  for (const char* length : {"1000", "1000000"}) {
    RawClient client(server.server->port());
    ASSERT_TRUE(client.Send(
        fmt::format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", length)));
    std::jthread trickle([&](const std::stop_token& stop) {
      while (!stop.stop_requested() && client.Send("x")) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    });
    const std::string answer = client.ReadAll();
    EXPECT_THAT(answer, testing::AnyOf(StartsWith("HTTP/1.1 408 "), StartsWith("HTTP/1.1 504 ")));
  }
}

TEST(Server, DrainAnswersWhatIsInFlight) {
  std::latch started(1), release(1);
  net::Pool pool("test", 1, 1);
  TestServer server([&](Exchange& exchange) -> net::Task<void> {
    started.count_down();
    auto done = co_await pool.Run([&] {
      release.wait();
      return 1;
    });
    exchange.Send(200, "text/plain", done ? "done" : "busy");
  });
  RawClient idle(server.server->port());
  RawClient busy(server.server->port());
  busy.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  started.wait();
  std::jthread drain([&] { server.server->Drain(Deadline::After(std::chrono::seconds(30))); });
  EXPECT_TRUE(idle.AtEnd());
  release.count_down();
  std::string answer = busy.ReadAll();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, HasSubstr("done"));
  drain.join();
  EXPECT_EQ(server.server->connections(), 0u);
}

TEST(Server, DrainCutsAfterTheDeadline) {
  std::latch started(1);
  TestServer server([&](Exchange& exchange) -> net::Task<void> {
    started.count_down();
    co_await exchange.loop().Sleep(std::chrono::hours(1), exchange.stop());
  });
  RawClient client(server.server->port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  started.wait();
  server.server->Drain(Deadline::After(std::chrono::milliseconds(20)));
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(server.server->connections(), 0u);
}

TEST(Server, DestroyedWhileHandlersWait) {
  std::latch started(1);
  auto server = std::make_unique<TestServer>([&](Exchange& exchange) -> net::Task<void> {
    started.count_down();
    co_await exchange.loop().Sleep(std::chrono::hours(1));
  });
  RawClient client(server->server->port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  started.wait();
  server.reset();
  EXPECT_TRUE(client.AtEnd());
}

TEST(Server, ManyConnectionsOnManyLoops) {
  TestServer server(Echo, FastEcho, {}, 4);
  std::vector<std::jthread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      RawClient client(server.server->port());
      for (int i = 0; i < 200; ++i) {
        client.Send(fmt::format("GET /{}/{} HTTP/1.1\r\nHost: a\r\n\r\n", t, i));
        std::string want = fmt::format("GET /{}/{} ", t, i);
        good += client.ReadUntil(want).ends_with(want);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 1600);
}

TEST(Server, UnixSocket) {
  net::LoopGroup loops(1);
  std::string name = fmt::format("@kinglet-net-test-{}", getpid());
  ServerOptions options;
  options.unix_socket = name;
  auto server = Server::Listen(loops, options, Echo);
  ASSERT_TRUE(server) << server.error().message();
  loops.Start();
  (*server)->Start();
  ClientOptions client_options;
  client_options.unix_socket = name;
  auto client = Client::Make(client_options);
  ClientRequest request;
  request.url = "http://anything/path";
  auto response = client->Do(request);
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->body, "GET /path ");
}

TEST(Server, ControlCharactersCannotSplitTheResponse) {
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    Headers extra;
    extra.Add("X-A", "1\r\nX-B: 2");
    exchange.Send(200, "text/plain", "", &extra);
    co_return;
  });
  EXPECT_THAT(Ask(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), HasSubstr("X-A: 1  X-B: 2\r\n"));
}

}  // namespace
}  // namespace kinglet::http
