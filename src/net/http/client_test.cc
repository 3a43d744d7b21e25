#include "net/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "base/encoding.h"
#include "net/http/direct_client.h"
#include "net/http/test_server.h"

namespace kinglet::http {
namespace {

using testing::HasSubstr;

ClientRequest Get(std::string url) {
  ClientRequest request;
  request.url = std::move(url);
  return request;
}

// What every client must do.
class AnyClient : public testing::TestWithParam<std::unique_ptr<Client> (*)(ClientOptions)> {
 protected:
  std::unique_ptr<Client> Make(ClientOptions options = {}) {
    return GetParam()(std::move(options));
  }
};
INSTANTIATE_TEST_SUITE_P(, AnyClient, testing::Values(&Client::Make, &MakeDirectClient),
                         [](const auto& info) { return info.index == 0 ? "Curl" : "Direct"; });

TEST_P(AnyClient, MethodsBodiesAndHeaders) {
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    auto body = co_await exchange.ReadBody();
    Headers extra;
    extra.Add("X-Answer", "yes");
    exchange.Send(201, "text/plain",
                  fmt::format("{} {} {} [{}] [{}]", exchange.method(), exchange.target(), *body,
                              exchange.Header("x-a"), exchange.Header("content-type")),
                  &extra);
  });
  auto client = Make();
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}) {
    ClientRequest request = Get(server.Url("/p/../q?x=%2F"));
    request.method = method;
    request.headers.Add("X-A", "1");
    bool with_body = std::string_view(method).starts_with("P");
    if (with_body) request.body = "body";
    auto response = client->Do(request);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 201);
    EXPECT_EQ(response->headers.Get("x-answer"), "yes");
    EXPECT_EQ(response->body,
              std::string_view(method) == "HEAD"
                  ? ""
                  : fmt::format("{} /p/../q?x=%2F {} [1] []", method, with_body ? "body" : ""));
  }
}

TEST_P(AnyClient, KeepsConnections) {
  TestServer server({}, [](Exchange& exchange) {
    exchange.Send(200, "text/plain", exchange.peer());
    return true;
  });
  auto client = Make();
  auto first = client->Do(Get(server.Url()));
  auto second = client->Do(Get(server.Url()));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->body, second->body);
}

TEST_P(AnyClient, StreamsPiecesAsTheyCome) {
  std::latch* gate = nullptr;
  std::latch first_seen(1);
  gate = &first_seen;
  net::Pool pool("wait", 1, 4);
  TestServer server([&](Exchange& exchange) -> net::Task<void> {
    exchange.SendHead(200, {});
    (void)co_await exchange.Write("one\n");
    // The second piece is written only after the client has seen the first.
    (void)co_await pool.Run([&] {
      gate->wait();
      return 0;
    });
    (void)co_await exchange.Write("two\n");
    (void)co_await exchange.End();
  });
  auto client = Make();
  std::string seen;
  int head = 0;
  auto response = client->Stream(
      Get(server.Url()),
      [&](const ClientResponse& r) -> Status {
        head = r.status;
        return {};
      },
      [&](std::string_view piece) -> Status {
        seen += piece;
        if (seen == "one\n") first_seen.count_down();
        return {};
      });
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(head, 200);
  EXPECT_EQ(seen, "one\ntwo\n");
  EXPECT_EQ(response->body, "");
}

TEST_P(AnyClient, CallbacksMayRefuse) {
  TestServer server({}, [](Exchange& exchange) {
    exchange.Send(200, "text/plain", "hello");
    return true;
  });
  auto client = Make();
  auto none = [](std::string_view) -> Status { return {}; };
  auto head = client->Stream(
      Get(server.Url()),
      [](const ClientResponse&) -> Status { return Fail(Code::kAborted, "not this"); }, none);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error(), Error(Code::kAborted, "not this"));
  auto body = client->Stream(
      Get(server.Url()), [](const ClientResponse&) -> Status { return {}; },
      [](std::string_view) -> Status { return Fail(Code::kDataLoss, "enough"); });
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code(), Code::kDataLoss);
}

TEST_P(AnyClient, LimitsTheBody) {
  TestServer server({}, [](Exchange& exchange) {
    exchange.Send(200, "text/plain", std::string(1000, 'x'));
    return true;
  });
  auto response = Make()->Do(Get(server.Url()), 999);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), Code::kResourceExhausted);
}

net::Task<void> Hang(Exchange& exchange) {
  co_await exchange.loop().Sleep(std::chrono::hours(1), exchange.stop());
}

TEST_P(AnyClient, DeadlineStallAndStop) {
  TestServer server(Hang);
  auto client = Make();
  ClientRequest request = Get(server.Url());
  request.deadline = Deadline::After(std::chrono::milliseconds(30));
  auto late = client->Do(request);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::kDeadlineExceeded);

  request = Get(server.Url());
  request.stall_timeout = std::chrono::milliseconds(30);
  auto stalled = client->Do(request);
  ASSERT_FALSE(stalled);
  EXPECT_THAT(stalled.error().message(), HasSubstr("stalled"));

  std::stop_source stop;
  request = Get(server.Url());
  request.stop = stop.get_token();
  std::jthread stopper([&] { stop.request_stop(); });
  auto stopped = client->Do(request);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), Code::kCancelled);
}

TEST_P(AnyClient, CutBodiesAreErrors) {
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    Headers head;
    if (exchange.path() == "/length") head.Add("Content-Length", "100");
    exchange.SendHead(200, head);
    (void)co_await exchange.Write("part");
  });
  auto client = Make();
  for (const char* path : {"/length", "/chunked"}) {
    auto response = client->Do(Get(server.Url(path)));
    ASSERT_FALSE(response) << path;
    EXPECT_EQ(response.error().code(), Code::kUnavailable);
  }
}

TEST_P(AnyClient, NobodyListens) {
  int port;
  {
    TestServer gone(Hang);
    port = gone.server->port();
  }
  auto response = Make()->Do(Get(fmt::format("http://127.0.0.1:{}/", port)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), Code::kUnavailable);
}

TEST(Client, RedirectsDropCredentialsOnOtherHosts) {
  auto show = [](Exchange& exchange) {
    exchange.Send(200, "text/plain",
                  fmt::format("auth={} token={} range={}", exchange.Header("authorization"),
                              exchange.Header("x-token"), exchange.Header("range")));
    return true;
  };
  TestServer other({}, show);
  TestServer server({}, [&](Exchange& exchange) {
    if (exchange.path() == "/here" || exchange.path() == "/loop" || exchange.path() == "/there") {
      Headers extra;
      extra.Add("Location", exchange.path() == "/here"   ? "/final"
                            : exchange.path() == "/loop" ? "/loop"
                                                         : other.Url("/final"));
      exchange.Send(302, "", "", &extra);
      return true;
    }
    return show(exchange);
  });
  ClientOptions options;
  options.max_redirects = 3;
  auto client = Client::Make(options);
  auto ask = [&](const char* path) {
    ClientRequest request = Get(server.Url(path));
    request.headers.Add("Authorization", "secret");
    request.headers.Add("X-Token", "secret");
    request.headers.Add("Range", "bytes=0-");
    return client->Do(request);
  };
  EXPECT_EQ(ask("/here")->body, "auth=secret token=secret range=bytes=0-");
  EXPECT_EQ(ask("/there")->body, "auth= token= range=bytes=0-");
  EXPECT_EQ(ask("/there")->final_url, other.Url("/final"));
  EXPECT_FALSE(ask("/loop"));
  EXPECT_EQ(Client::Make()->Do(Get(server.Url("/here")))->status, 302);
}

TEST(Client, AServerThatDripsIsStalled) {
  // A byte now and then: never silent, and never done.
  TestServer server([](Exchange& exchange) -> net::Task<void> {
    exchange.SendHead(200, {});
    while (co_await exchange.Write("x")) {
      co_await exchange.loop().Sleep(std::chrono::milliseconds(50), exchange.stop());
    }
  });
  ClientRequest request = Get(server.Url());
  request.stall_timeout = std::chrono::milliseconds(500);
  auto dripped = Client::Make()->Do(request);
  ASSERT_FALSE(dripped);
  EXPECT_EQ(dripped.error().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(dripped.error().message(), HasSubstr("stalled"));
}

TEST(Client, ErrorsDoNotRepeatCredentials) {
  TestServer server({}, [](Exchange& exchange) {
    Headers fields;
    fields.Add("X-Error-Message", exchange.Header("authorization"));
    exchange.Send(403, "text/plain",
                  fmt::format("{} {} {}", exchange.Header("authorization"),
                              exchange.Header("x-key"), exchange.target()),
                  &fields);
    return true;
  });
  ClientRequest request = Get(server.Url("/m?token=aaaaaaaa&list-type=xxxxxxxx"));
  request.headers.Add("Authorization", "Basic " + Base64Encode("user:passwords"));
  request.headers.Add("X-Key", "bbbbbbbb");
  auto response = Client::Make()->Do(request);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "*** *** /m?token=***&list-type=xxxxxxxx");
  EXPECT_EQ(response->headers.Get("x-error-message"), "***");
}

TEST_P(AnyClient, AddressesCanBeRefused) {
  TestServer server(Hang);
  ClientOptions options;
  options.allow_address = [](std::string_view ip, int) { return ip != "127.0.0.1"; };
  auto response = Make(options)->Do(Get(server.Url()));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), Code::kPermissionDenied);
}

TEST_P(AnyClient, TlsWithClientCertificates) {
  auto ca = net::MakeCertificateAuthority("test CA", 1);
  auto cert = net::IssueCertificate(*ca, "server", {"127.0.0.1", "served.example"}, 1);
  auto user = net::IssueCertificate(*ca, "user", {}, 1, true);
  ASSERT_TRUE(ca && cert && user);
  auto tls = net::TlsContext::Make({cert->cert_pem, cert->key_pem, ca->cert_pem, true});
  ASSERT_TRUE(tls) << tls.error().message();
  ServerOptions server_options;
  server_options.tls = *tls;
  std::string large(3'000'000, 'y');
  TestServer server(
      [&](Exchange& exchange) -> net::Task<void> {
        auto body = co_await exchange.ReadBody();
        exchange.Send(200, "text/plain", body->empty() ? std::string_view(large) : *body);
      },
      {}, server_options);
  std::string url = fmt::format("https://127.0.0.1:{}/", server.server->port());

  ClientOptions options;
  options.ca_pem = ca->cert_pem;
  options.cert_pem = user->cert_pem;
  options.key_pem = user->key_pem;
  auto client = Make(options);
  auto response = client->Do(Get(url));
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->body, large);
  ClientRequest upload = Get(url);
  upload.method = "POST";
  upload.body = large;
  EXPECT_EQ(client->Do(upload)->body, large);

  options.tls_server_name = "served.example";
  EXPECT_TRUE(Make(options)->Do(Get(url)));
  options.tls_server_name = "other.example";
  EXPECT_FALSE(Make(options)->Do(Get(url)));

  ClientOptions bare;
  bare.ca_pem = ca->cert_pem;
  EXPECT_FALSE(Make(bare)->Do(Get(url)));  // no client certificate
  EXPECT_FALSE(Make()->Do(Get(url)));      // unknown authority

  // A new certificate serves new connections.
  auto next_ca = net::MakeCertificateAuthority("next CA", 1);
  auto next = net::IssueCertificate(*next_ca, "server", {"127.0.0.1"}, 1);
  ASSERT_TRUE((*tls)->Replace({next->cert_pem, next->key_pem, "", false}));
  ClientOptions fresh;
  fresh.ca_pem = next_ca->cert_pem;
  EXPECT_TRUE(Make(fresh)->Do(Get(url)));
  EXPECT_FALSE((*tls)->Replace({"nonsense", next->key_pem, "", false}));
  EXPECT_FALSE((*tls)->Replace({next->cert_pem, cert->key_pem, "", false}));
}

}  // namespace
}  // namespace kinglet::http
