// What the direct client has of its own, against servers that say exact bytes. What it shares with
// the other one: client_test.cc.
#include "net/http/direct_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "base/file.h"
#include "net/http/response_reader.h"
#include "net/http/test_server.h"

namespace kinglet::http {
namespace {

using testing::HasSubstr;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

ClientRequest Ask(std::string method, std::string url, std::string body = "") {
  ClientRequest request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.body = std::move(body);
  request.deadline = Deadline::After(std::chrono::seconds(20));
  return request;
}

TEST(DirectClient, ReadsBytesAsTheyFall) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;name=\"value\"\r\nhello\r\n1\r\n \r\n00005\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n";
  ScriptedServer server([&](RawPeer& peer, int) {
    while (!peer.ReadUntil("\r\n\r\n").empty()) {
      for (char byte : kAnswer) peer.Send({&byte, 1});
    }
  });
  auto client = MakeDirectClient();
  for (int i = 0; i < 2; ++i) {
    auto response = client->Do(Ask("GET", server.Url()));
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "hello world");
    EXPECT_FALSE(response->headers.Has("link"));
  }
}

TEST(DirectClient, SendsOneWellFormedRequest) {
  std::string seen;
  ScriptedServer server([&](RawPeer& peer, int) {
    seen = peer.ReadUntil("the body");
    peer.Send(kOk);
  });
  ClientOptions options;
  options.user_agent = "tester";
  ClientRequest request = Ask("PATCH", server.Url("/a/../b?c=%20"), "the body");
  request.headers.Add("X-A", "1");
  ASSERT_TRUE(MakeDirectClient(options)->Do(request));
  const std::string host = server.Url("").substr(7);
  EXPECT_EQ(seen, "PATCH /a/../b?c=%20 HTTP/1.1\r\nHost: " + host +
                      "\r\nX-A: 1\r\nUser-Agent: tester\r\nAccept: */*\r\nContent-Length: 8\r\n\r\n"
                      "the body");
  request.headers.Set("X-A", "1\r\nX-B: 2");
  EXPECT_EQ(MakeDirectClient()->Do(request).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(MakeDirectClient()->Do(Ask("GET", server.Url("/a b"))).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(MakeDirectClient()->Do(Ask("GET", "ftp://a/")).error().code(), Code::kInvalidArgument);
}

TEST(DirectClient, RefusesWhatIsNotHttp) {
  for (std::string_view answer :
       {"SSH-2.0-server\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 101 Go\r\n\r\n",
        "HTTP/2 200\r\n\r\n", "HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n"}) {
    ScriptedServer server([&](RawPeer& peer, int) {
      peer.ReadUntil("\r\n\r\n");
      peer.Send(answer);
      peer.ReadUntil("\r\n\r\n");
    });
    auto response = MakeDirectClient()->Do(Ask("GET", server.Url()));
    ASSERT_FALSE(response) << answer;
    EXPECT_EQ(response.error().code(), Code::kUnavailable) << answer;
  }
}

TEST(DirectClient, LimitsHeadsAndInterimResponses) {
  for (bool interim : {false, true}) {
    ScriptedServer server([&](RawPeer& peer, int) {
      peer.ReadUntil("\r\n\r\n");
      if (!interim) peer.Send("HTTP/1.1 200 OK\r\nX-Long: ");
      while (peer.Send(interim ? "HTTP/1.1 100 Continue\r\n\r\n"
                               : "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")) {
      }
    });
    auto response = MakeDirectClient()->Do(Ask("GET", server.Url()));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), Code::kUnavailable) << response.error().message();
  }
}

TEST(DirectClient, CutResponsesAreErrors) {
  for (std::string_view part :
       {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n"}) {
    ScriptedServer server([&](RawPeer& peer, int) {
      peer.ReadUntil("\r\n\r\n");
      peer.Send(part);
    });
    auto response = MakeDirectClient()->Do(Ask("GET", server.Url()));
    ASSERT_FALSE(response) << part;
    EXPECT_EQ(response.error().code(), Code::kUnavailable);
    EXPECT_THAT(response.error().message(), HasSubstr("closed the connection"));
  }
}

TEST(DirectClient, BodiesMayEndWithTheConnection) {
  ScriptedServer server([&](RawPeer& peer, int) {
    peer.ReadUntil("\r\n\r\n");
    peer.Send("HTTP/1.0 200 OK\r\n\r\nto the end");
  });
  auto client = MakeDirectClient();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(client->Do(Ask("GET", server.Url()))->body, "to the end");
}

// A server that closes its connections when it feels like it.
TEST(DirectClient, ReplacesAConnectionThatWasClosed) {
  std::latch closed(1);
  ScriptedServer server([&](RawPeer& peer, int number) {
    peer.ReadUntil("\r\n\r\n");
    peer.Send(kOk);
    if (number > 0) return;
    peer.Close();
    closed.count_down();
  });
  auto client = MakeDirectClient();
  ASSERT_TRUE(client->Do(Ask("GET", server.Url())));
  closed.wait();
  // Noticed before anything is sent, so that any method may go.
  auto second = client->Do(Ask("POST", server.Url(), "x"));
  ASSERT_TRUE(second) << second.error().message();
}

// The close meets the request under way: only what may be done twice is sent again.
TEST(DirectClient, AsksAgainOnlyWhatIsHarmless) {
  std::atomic<int> asked = 0;
  ScriptedServer server([&](RawPeer& peer, int) {
    peer.ReadUntil("\r\n\r\n");
    ++asked;
    peer.Send(kOk);
    if (!peer.ReadUntil("\r\n\r\n").empty()) ++asked;  // and closes without a word
  });
  auto client = MakeDirectClient();
  ASSERT_TRUE(client->Do(Ask("GET", server.Url())));
  EXPECT_TRUE(client->Do(Ask("GET", server.Url())));
  EXPECT_EQ(asked, 3);
  auto write = client->Do(Ask("POST", server.Url(), "x"));
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().code(), Code::kUnavailable);
  EXPECT_EQ(asked, 4);
}

TEST(DirectClient, DoesNotReuseWhatHasMoreToSay) {
  ScriptedServer server([&](RawPeer& peer, int number) {
    peer.ReadUntil("\r\n\r\n");
    peer.Send(number == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n"
                          : kOk);
    if (number == 0) peer.ReadUntil("\r\n\r\n");
  });
  auto client = MakeDirectClient();
  EXPECT_EQ(client->Do(Ask("GET", server.Url()))->status, 200);
  EXPECT_EQ(client->Do(Ask("GET", server.Url()))->status, 200);
}

TEST(DirectClient, HearsARefusalBeforeAllIsSent) {
  ScriptedServer server([&](RawPeer& peer, int) {
    peer.ReadUntil("\r\n\r\n");
    peer.Send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    peer.ReadUntil("never sent");
  });
  auto response = MakeDirectClient()->Do(Ask("POST", server.Url(), std::string(16 << 20, 'x')));
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->status, 413);
  EXPECT_EQ(response->body, "big");
}

TEST(DirectClient, SlowHeadsMeetTheDeadline) {
  std::latch over(1);
  ScriptedServer server([&](RawPeer& peer, int) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-");
    over.wait();
  });
  ClientRequest request = Ask("GET", server.Url());
  request.deadline = Deadline::After(std::chrono::milliseconds(50));
  auto response = MakeDirectClient()->Do(request);
  over.count_down();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), Code::kDeadlineExceeded);
}

TEST(DirectClient, StopsInsideAStream) {
  std::latch over(1);
  ScriptedServer server([&](RawPeer& peer, int) {
    peer.ReadUntil("\r\n\r\n");
    peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    over.wait();
  });
  std::stop_source stop;
  ClientRequest request = Ask("GET", server.Url());
  request.stop = stop.get_token();
  std::jthread stopper;
  auto response = MakeDirectClient()->Stream(
      request, [](const ClientResponse&) -> Status { return {}; },
      [&](std::string_view) -> Status {
        stopper = std::jthread([&] { stop.request_stop(); });
        return {};
      });
  over.count_down();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), Code::kCancelled);
}

TEST(DirectClient, TunnelsThroughAProxy) {
  auto ca = net::MakeCertificateAuthority("test CA", 1);
  auto cert = net::IssueCertificate(*ca, "server", {"served.example"}, 1);
  ServerOptions served;
  served.tls = *net::TlsContext::Make({cert->cert_pem, cert->key_pem, "", false});
  TestServer target(
      {},
      [](class Exchange& exchange) {
        exchange.Send(200, "text/plain", "from the target");
        return true;
      },
      served);
  // Leads every tunnel to the target, whatever name was asked for.
  std::string asked;
  ScriptedServer proxy([&](RawPeer& peer, int number) {
    asked = peer.ReadUntil("\r\n\r\n");
    if (number == 0) {
      peer.Send("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    peer.Send("HTTP/1.1 200 Connected\r\n\r\n");
    RawClient forward(target.server->port());
    peer.Relay(forward);
  });
  ClientOptions options;
  options.ca_pem = ca->cert_pem;
  options.proxy_url = "http://user:p%20w@" + proxy.Url("").substr(7);
  auto client = MakeDirectClient(options);
  auto refused = client->Do(Ask("GET", "https://served.example/x"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kPermissionDenied);
  auto response = client->Do(Ask("GET", "https://served.example/x"));
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->body, "from the target");
  EXPECT_EQ(asked,
            "CONNECT served.example:443 HTTP/1.1\r\nHost: served.example:443\r\n"
            "Proxy-Authorization: Basic dXNlcjpwIHc=\r\n\r\n");
  options.proxy_url = "socks5://127.0.0.1:1";
  EXPECT_EQ(MakeDirectClient(options)->Do(Ask("GET", "https://a/")).error().code(),
            Code::kInvalidArgument);
}

TEST(DirectClient, AsksAProxyForPlainUrls) {
  std::string asked;
  ScriptedServer proxy([&](RawPeer& peer, int) {
    asked = peer.ReadUntil("\r\n\r\n");
    peer.Send(kOk);
  });
  ClientOptions options;
  options.proxy_url = proxy.Url("");
  ASSERT_TRUE(MakeDirectClient(options)->Do(Ask("GET", "http://nowhere.example:81/x?y")));
  EXPECT_THAT(asked, HasSubstr("GET http://nowhere.example:81/x?y HTTP/1.1\r\n"
                               "Host: nowhere.example:81\r\n"));
}

TEST(DirectClient, ReadsReplacedCertificatesAgain) {
  auto first = net::MakeCertificateAuthority("first CA", 1);
  auto second = net::MakeCertificateAuthority("second CA", 1);
  auto cert = net::IssueCertificate(*first, "server", {"127.0.0.1"}, 1);
  ServerOptions served;
  auto tls = *net::TlsContext::Make({cert->cert_pem, cert->key_pem, "", false});
  served.tls = tls;
  TestServer server(
      {},
      [](class Exchange& exchange) {
        Headers close;
        close.Add("Connection", "close");
        exchange.Send(200, "text/plain", "ok", &close);
        return true;
      },
      served);
  auto folder = *TemporaryFolder::Make("kinglet-tls-");
  ClientOptions options;
  options.ca_file = folder.path() / "ca.crt";
  const std::string url = fmt::format("https://127.0.0.1:{}/", server.server->port());
  auto client = MakeDirectClient(options);
  EXPECT_EQ(client->Do(Ask("GET", url)).error().code(), Code::kInvalidArgument);
  ASSERT_TRUE(WriteFileAtomic(options.ca_file, first->cert_pem));
  EXPECT_TRUE(client->Do(Ask("GET", url)));
  auto next = net::IssueCertificate(*second, "server", {"127.0.0.1"}, 1);
  ASSERT_TRUE(tls->Replace({next->cert_pem, next->key_pem, "", false}));
  auto distrusted = client->Do(Ask("GET", url));
  ASSERT_FALSE(distrusted);
  EXPECT_THAT(distrusted.error().message(), HasSubstr("certificate is not valid here"));
  ASSERT_TRUE(WriteFileAtomic(options.ca_file, second->cert_pem + first->cert_pem));
  auto trusted = client->Do(Ask("GET", url));
  EXPECT_TRUE(trusted) << trusted.error().message();
}

}  // namespace
}  // namespace kinglet::http
