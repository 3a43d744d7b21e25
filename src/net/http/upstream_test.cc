#include "net/http/upstream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>

#include "net/http/client.h"
#include "net/http/test_server.h"

namespace kinglet::http {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A proxy in front of one address.
class TestProxy {
 public:
  explicit TestProxy(int port, ProxyOptions options = {})
      : front(
            [this, port, options](Exchange& exchange) -> net::Task<void> {
              UpstreamAddress address{"127.0.0.1", port};
              bool replayable = false;
              Status status = co_await (*holder)->Proxy(exchange, address, options, &replayable);
              if (!status && !exchange.responded()) {
                exchange.Send(502, "text/plain",
                              fmt::format("{} {}", replayable, status.error().message()));
              }
            },
            {}, {}, 2) {
    *holder = Upstream::Make(front.loops);
  }
  ~TestProxy() {
    front.server.reset();
    holder->reset();
  }
  std::unique_ptr<std::unique_ptr<Upstream>> holder = std::make_unique<std::unique_ptr<Upstream>>();
  TestServer front;
};

TEST(Upstream, ProxiesHeadersAndBodies) {
  TestServer back([](Exchange& exchange) -> net::Task<void> {
    auto body = co_await exchange.ReadBody();
    Headers extra;
    extra.Add("X-Back", "1");
    extra.Add("Keep-Alive", "timeout=5");
    std::string text = fmt::format("{} {} {} {}", exchange.method(), exchange.target(),
                                   exchange.Header("host"), body->size());
    for (auto& [name, value] : exchange.headers().fields()) text += "\n" + name + "=" + value;
    exchange.Send(202, "text/plain", text, &extra);
  });
  ProxyOptions options;
  options.host = "model.example";
  options.set_headers.Add("X-Forwarded-For", "1.2.3.4");
  TestProxy proxy(back.server->port(), options);
  RawClient client(proxy.front.server->port());
  client.Send(
      "POST /a?b HTTP/1.1\r\nHost: front\r\nContent-Length: 3\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
      "X-Keep: 2\r\nX-Forwarded-For: 9.9.9.9\r\n\r\nabc");
  std::string answer = client.ReadUntil("1.2.3.4");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 202 Accepted\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-Back: 1\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Keep-Alive")));
  EXPECT_THAT(answer, HasSubstr("POST /a?b model.example 3"));
  EXPECT_THAT(answer, HasSubstr("X-Keep=2"));
  EXPECT_THAT(answer, Not(HasSubstr("X-Hop")));
  EXPECT_THAT(answer, Not(HasSubstr("9.9.9.9")));
}

TEST(Upstream, LargeBodiesBothWays) {
  TestServer back([](Exchange& exchange) -> net::Task<void> {
    exchange.SendHead(200, {});
    while (true) {
      auto piece = co_await exchange.ReadSome();
      if (!piece || piece->empty()) break;
      if (!co_await exchange.Write(*piece)) co_return;
    }
    (void)co_await exchange.End();
  });
  TestProxy proxy(back.server->port());
  auto client = Client::Make();
  ClientRequest request;
  request.method = "POST";
  request.url = proxy.front.Url();
  request.body.resize(8 << 20);
  for (size_t i = 0; i < request.body.size(); ++i) request.body[i] = static_cast<char>(i * 31 >> 3);
  for (int i = 0; i < 3; ++i) {
    auto response = client->Do(request);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_TRUE(response->body == request.body);
  }
}

TEST(Upstream, KeepsConnections) {
  TestServer back({}, [](Exchange& exchange) {
    exchange.Send(200, "text/plain", exchange.peer());
    return true;
  });
  TestProxy proxy(back.server->port());
  auto client = Client::Make();
  ClientRequest request;
  request.url = proxy.front.Url();
  auto first = client->Do(request), second = client->Do(request);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->body, second->body);
}

TEST(Upstream, RefusedConnectionsAreReplayable) {
  int port;
  {
    TestServer gone([](Exchange&) -> net::Task<void> { co_return; });
    port = gone.server->port();
  }
  TestProxy proxy(port);
  ClientRequest request;
  request.url = proxy.front.Url();
  auto response = Client::Make()->Do(request);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 502);
  EXPECT_THAT(response->body, StartsWith("true connect to "));
}

// What broke one upstream would break the next one, too.
TEST(Upstream, APostThatArrivedIsNotForAnotherUpstream) {
  ScriptedServer back([](RawPeer& peer, int) { peer.ReadUntil("fatal"); });
  TestProxy proxy(back.port());
  for (const char* method : {"POST", "PATCH", "PUT"}) {
    ClientRequest request;
    request.method = method;
    request.url = proxy.front.Url();
    request.body = "fatal";
    auto response = Client::Make()->Do(request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 502);
    EXPECT_THAT(response->body, StartsWith(*method == 'P' && method[1] == 'U' ? "true" : "false"));
  }
}

TEST(Upstream, InterimResponsesWithoutEndAreGivenUp) {
  ScriptedServer back([](RawPeer& peer, int) {
    peer.ReadUntil("\r\n\r\n");
    while (peer.Send("HTTP/1.1 103 Early Hints\r\n\r\n")) continue;
  });
  TestProxy proxy(back.port());
  RawClient client(proxy.front.server->port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), HasSubstr("too many interim responses"));
}

TEST(Upstream, AnAbsoluteTargetIsSentOnWithoutItsAuthority) {
  TestServer back([](Exchange& exchange) -> net::Task<void> {
    exchange.Send(200, "text/plain", fmt::format("<{}>", exchange.target()));
    co_return;
  });
  TestProxy proxy(back.server->port());
  for (auto [target, sent] : {std::pair{"http://a/b?c=/d", "</b?c=/d>"},
                              {"http://a", "</>"},
                              {"http://a?/v2/x", "</?/v2/x>"},
                              {"http://a/?", "</>"}}) {
    RawClient client(proxy.front.server->port());
    client.Send(fmt::format("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", target));
    EXPECT_THAT(client.ReadAll(), HasSubstr(sent)) << target;
  }
}

TEST(Upstream, ABrokenUpstreamCutsTheClient) {
  TestServer back([](Exchange& exchange) -> net::Task<void> {
    exchange.SendHead(200, {});
    (void)co_await exchange.Write("part");
  });
  TestProxy proxy(back.server->port());
  ClientRequest request;
  request.url = proxy.front.Url();
  auto response = Client::Make()->Do(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), Code::kUnavailable);
}

TEST(Upstream, AClientThatLeavesStopsTheUpstream) {
  std::latch started(1), stopped(1);
  TestServer back([&](Exchange& exchange) -> net::Task<void> {
    std::stop_token stop = exchange.stop();
    exchange.SendHead(200, {});
    (void)co_await exchange.Write("x");
    started.count_down();
    if (!co_await exchange.loop().Sleep(std::chrono::hours(1), stop)) stopped.count_down();
  });
  TestProxy proxy(back.server->port());
  RawClient client(proxy.front.server->port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  client.ReadUntil("1\r\nx\r\n");
  started.wait();
  client.Close();
  stopped.wait();
}

TEST(Upstream, AnEarlyAnswerEndsTheUpload) {
  TestServer back({}, [](Exchange& exchange) {
    exchange.Send(403, "text/plain", "no");
    return true;
  });
  TestProxy proxy(back.server->port());
  RawClient client(proxy.front.server->port());
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
  EXPECT_THAT(client.ReadUntil("no"), StartsWith("HTTP/1.1 403 Forbidden"));
}

TEST(Upstream, DoOnALoop) {
  TestServer back([](Exchange& exchange) -> net::Task<void> {
    auto body = co_await exchange.ReadBody();
    exchange.Send(200, "text/plain", fmt::format("{} {}", exchange.target(), *body));
  });
  net::LoopGroup loops(1);
  auto upstream = Upstream::Make(loops);
  loops.Start();
  std::latch done(1);
  loops.at(0).Post([&] {
    loops.at(0).Spawn([](Upstream& up, int port, std::latch& d) -> net::Task<void> {
      for (int i = 0; i < 3; ++i) {
        Request request{.method = "POST", .target = "/x", .headers = {}, .body = "hello"};
        auto response =
            co_await up.Do({"localhost", port}, request, Deadline::After(std::chrono::seconds(10)));
        EXPECT_TRUE(response);
        if (response) EXPECT_EQ(response->body, "/x hello");
      }
      d.count_down();
    }(*upstream, back.server->port(), done));
  });
  done.wait();
}

}  // namespace
}  // namespace kinglet::http
