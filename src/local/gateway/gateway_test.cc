// The gateway in front of real HTTP servers, with a fake API.
#include "local/gateway/gateway.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "kube/fake_client.h"
#include "kube/object.h"
#include "net/http/client.h"
#include "net/http/test_server.h"

namespace kinglet::gateway {
namespace {

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() : loops_(1) {
    loops_.Start();
    Put(kube::kService, "iris-predictor",
        R"({"spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}]}})");
    Put(kube::kIngress, "iris", R"({"spec": {"rules": [{"host": "iris-ns.example.com",
      "http": {"paths": [{"path": "/", "pathType": "Prefix",
        "backend": {"service": {"name": "iris-predictor", "port": {"number": 80}}}}]}}]}})");
  }

  void Put(const kube::ResourceType& type, std::string_view name, std::string_view rest) {
    Json object = kube::MakeObjectMeta(type.ApiVersion(), type.kind, {"ns", std::string(name)});
    Json members = *Json::Parse(rest);
    for (const auto& [key, value] : members.AsObject()) object.Set(key, value);
    auto made = client_.Create(type, object);
    if (!made && made.error().code() == Code::kAlreadyExists) {
      auto there = client_.Get(type, {"ns", std::string(name)});
      for (const auto& [key, value] : members.AsObject()) there->Set(key, value);
      made = client_.Update(type, *there);
    }
    ASSERT_TRUE(made.has_value()) << made.error().message();
  }
  // Two subsets, as the pods' ports differ here.
  void PutEndpoints(const std::vector<std::pair<std::string, int>>& addresses) {
    Json subsets = Json::MakeArray({});
    for (const auto& [ip, port] : addresses) {
      subsets.Push(*Json::Parse(fmt::format(
          R"({{"addresses": [{{"ip": "{}"}}], "ports": [{{"port": {}}}]}})", ip, port)));
    }
    Put(kube::kEndpoints, "iris-predictor",
        Json::MakeObject({{"subsets", std::move(subsets)}}).Dump());
  }
  void Start(Options options = {}) {
    options.port = 0;
    gateway_ = Gateway::Make(client_, loops_, options);
    Status started = gateway_->Start();
    ASSERT_TRUE(started.has_value()) << started.error().message();
  }
  http::ClientResponse Call(std::string path, std::string host = "iris-ns.example.com",
                            std::string body = "{}") {
    http::ClientRequest request;
    request.method = "POST";
    request.url = fmt::format("http://127.0.0.1:{}{}", gateway_->port(), path);
    request.headers.Set("Host", host);
    request.body = std::move(body);
    request.deadline = Deadline::After(std::chrono::seconds(20));
    auto response = http_->Do(request);
    EXPECT_TRUE(response.has_value()) << response.error().message();
    return response ? *response : http::ClientResponse{};
  }

  static http::Handler Echo(std::string name) {
    return [name](http::Exchange& exchange) -> net::Task<void> {
      auto body = co_await exchange.ReadBody();
      exchange.Send(200, "text/plain",
                    name + " " + std::string(exchange.target()) + " " +
                        std::string(exchange.Header("host")) + " " +
                        std::string(body.value_or("")));
    };
  }

  kube::FakeClient client_;
  net::LoopGroup loops_;
  std::unique_ptr<http::Client> http_ = http::Client::Make();
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GatewayTest, RoutesByHostAndByPath) {
  http::TestServer pod(Echo("a"));
  PutEndpoints({{"127.0.0.1", pod.server->port()}});
  Start();
  http::ClientResponse response =
      Call("/v1/models/iris:predict?x=1", "iris-ns.example.com", "body");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "a /v1/models/iris:predict?x=1 iris-ns.example.com body");
  response = Call("/serving/ns/iris/v2/health?x=1", "localhost");
  EXPECT_EQ(response.body, "a /v2/health?x=1 localhost {}");
  response = Call("/v1", "nobody.example.com");
  EXPECT_EQ(response.status, 403);
  EXPECT_NE(response.body.find("--allowed-hosts"), std::string::npos);
  response = Call("/serving/ns/iris/../../v2/repository/models/iris/unload", "localhost");
  EXPECT_EQ(response.status, 403);
  response = Call("/v1", "localhost");
  EXPECT_EQ(response.status, 404);
  EXPECT_NE(response.body.find("iris-ns.example.com"), std::string::npos);
  EXPECT_TRUE(response.body.starts_with("{\"error\":"));
}

// To a browser all paths of the gateway are one origin, and its cookies those of all local servers.
TEST_F(GatewayTest, AnswersByPathAreNoPagesOfTheSharedOrigin) {
  http::TestServer pod([](http::Exchange& exchange) -> net::Task<void> {
    http::Headers headers;
    headers.Add("Set-Cookie", "session=mine");
    headers.Add("Clear-Site-Data", "\"*\"");
    headers.Add("Service-Worker-Allowed", "/");
    headers.Add("X-Content-Type-Options", "sniff");
    exchange.Send(200, "text/html", exchange.Header("cookie"), &headers);
    co_return;
  });
  PutEndpoints({{"127.0.0.1", pod.server->port()}});
  Start();
  auto ask = [&](std::string path, std::string host) {
    http::ClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", gateway_->port(), path);
    request.headers.Set("Host", host);
    request.headers.Set("Cookie", "session=of-another-server");
    auto response = http_->Do(request);
    EXPECT_TRUE(response.has_value()) << response.error().message();
    return response ? *response : http::ClientResponse{};
  };
  http::ClientResponse shared = ask("/serving/ns/iris/page", "localhost");
  EXPECT_EQ(shared.body, "");
  EXPECT_EQ(shared.headers.Get("content-security-policy"), "sandbox");
  EXPECT_EQ(shared.headers.Get("x-content-type-options"), "nosniff");
  for (const char* name : {"set-cookie", "clear-site-data", "service-worker-allowed"}) {
    EXPECT_FALSE(shared.headers.Has(name)) << name;
  }
  http::ClientResponse own = ask("/page", "iris-ns.example.com");
  EXPECT_EQ(own.body, "session=of-another-server");
  EXPECT_EQ(own.headers.Get("set-cookie"), "session=mine");
  EXPECT_FALSE(own.headers.Has("content-security-policy"));
}

// The gateway alone judges where a request comes from.
TEST_F(GatewayTest, PodsSeeNoOrigins) {
  http::TestServer pod([](http::Exchange& exchange) -> net::Task<void> {
    exchange.Send(
        200, "text/plain",
        std::string(exchange.Header("origin")) + std::string(exchange.Header("sec-fetch-site")));
    co_return;
  });
  PutEndpoints({{"127.0.0.1", pod.server->port()}});
  Options options;
  options.allowed_origins = {"http://localhost:3000"};
  Start(options);
  for (const char* path : {"/serving/ns/iris/x", "/x"}) {
    http::ClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", gateway_->port(), path);
    request.headers.Set("Host", path == std::string("/x") ? "iris-ns.example.com" : "localhost");
    request.headers.Set("Origin", "http://localhost:3000");
    request.headers.Set("Sec-Fetch-Site", "same-site");
    auto response = http_->Do(request);
    ASSERT_TRUE(response.has_value()) << response.error().message();
    EXPECT_EQ(response->body, "") << path;
    EXPECT_EQ(response->headers.Get("access-control-allow-origin"), "http://localhost:3000");
  }
}

TEST_F(GatewayTest, AnswersRetryLaterWithoutAReadyPod) {
  Start();
  http::ClientResponse response = Call("/");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.Get("retry-after"), "1");
}

TEST_F(GatewayTest, WaitsForAPodWhereAskedTo) {
  http::TestServer pod(Echo("late"));
  Options options;
  options.ready_wait = std::chrono::seconds(20);
  Start(options);
  std::thread later([&] { PutEndpoints({{"127.0.0.1", pod.server->port()}}); });
  EXPECT_EQ(Call("/").status, 200);
  later.join();
}

TEST_F(GatewayTest, TriesAnotherPodWhenOneCannotBeReached) {
  http::TestServer pod(Echo("good"));
  int dead;
  {
    http::TestServer gone(Echo("gone"));
    dead = gone.server->port();
  }
  PutEndpoints({{"127.0.0.1", dead}, {"127.0.0.1", pod.server->port()}});
  Start();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Call("/").status, 200);
}

TEST_F(GatewayTest, RetireWaitsForWhatIsInFlightAndSendsNothingNew) {
  std::mutex mutex;
  std::condition_variable condition;
  bool arrived = false;
  net::Event* release = nullptr;
  http::TestServer old_pod([&](http::Exchange& exchange) -> net::Task<void> {
    net::Event event(exchange.loop());
    {
      std::lock_guard lock(mutex);
      arrived = true;
      release = &event;
      condition.notify_all();
    }
    co_await event.Wait(Deadline::After(std::chrono::seconds(20)));
    exchange.Send(200, "text/plain", "old");
  });
  PutEndpoints({{"127.0.0.1", old_pod.server->port()}});
  Start();
  std::string answer;
  std::thread caller([&] { answer = Call("/").body; });
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(condition.wait_for(lock, std::chrono::seconds(20), [&] { return arrived; }));
  }
  EXPECT_FALSE(gateway_->Retire("127.0.0.1", Deadline::After(std::chrono::milliseconds(10))));
  EXPECT_EQ(Call("/").status, 503);
  release->Raise();
  EXPECT_TRUE(gateway_->Retire("127.0.0.1", Deadline::After(std::chrono::seconds(20))));
  caller.join();
  EXPECT_EQ(answer, "old");
}

}  // namespace
}  // namespace kinglet::gateway
