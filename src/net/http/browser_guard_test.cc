#include "net/http/browser_guard.h"

#include <gtest/gtest.h>

#include "net/http/client.h"
#include "net/http/test_server.h"

namespace kinglet::http {
namespace {

using Verdict = BrowserGuard::Verdict;

TEST(BrowserGuardTest, Rules) {
  const BrowserGuard guard(
      {.hosts = {"models.test", ".wild.test"},
       .origins = {"http://localhost:3000"},
       .knows_host = [](std::string_view host) { return host == "iris.default"; }});
  struct Case {
    std::string_view host, origin, fetch_site;
    Verdict verdict;
    bool secure = false;
  };
  const Case cases[] = {
      // Programs, and what a person types.
      {"127.0.0.1:7080", "", "", Verdict::kPass},
      {"localhost:7080", "", "none", Verdict::kPass},
      {"LOCALHOST.", "", "", Verdict::kPass},
      {"a.localhost", "", "", Verdict::kPass},
      {"[::1]:80", "", "", Verdict::kPass},
      {"10.1.2.3", "", "", Verdict::kPass},
      {"", "", "", Verdict::kPass},
      {"Models.Test:80", "", "", Verdict::kPass},
      {"x.wild.test", "", "", Verdict::kPass},
      {"iris.default:80", "", "", Verdict::kPass},
      // Rebound names, and names that look like known ones.
      {"evil.test", "", "", Verdict::kRefuseHost},
      {"evil.test:7080", "http://evil.test:7080", "", Verdict::kRefuseHost},
      {"127.0.0.1.evil.test", "", "", Verdict::kRefuseHost},
      {"xlocalhost", "", "", Verdict::kRefuseHost},
      {"wild.test", "", "", Verdict::kRefuseHost},
      {"[::1", "", "", Verdict::kRefuseHost},
      {"127.0.0.1@evil.test", "", "", Verdict::kRefuseHost},
      // They lead to loopback listeners, but browsers send no Sec-Fetch-Site there.
      {"0.0.0.0:7080", "", "", Verdict::kRefuseHost},
      {"[::]:7080", "", "", Verdict::kRefuseHost},
      {"[::ffff:127.0.0.1]:7080", "", "", Verdict::kRefuseHost},
      {"[::ffff:7f00:1]", "", "", Verdict::kRefuseHost},
      // Pages.
      {"127.0.0.1:7080", "http://127.0.0.1:7080", "", Verdict::kPass},
      {"models.test", "http://models.test:80", "same-origin", Verdict::kPass},
      {"models.test:443", "https://models.test", "", Verdict::kPass},
      {"127.0.0.1:7443", "https://127.0.0.1:7443", "", Verdict::kPass, true},
      {"localhost:443", "https://localhost", "", Verdict::kPass, true},
      {"127.0.0.1:7080", "http://localhost:3000", "cross-site", Verdict::kPassOrigin},
      {"127.0.0.1:7080", "http://localhost:30000", "", Verdict::kRefuseOrigin},
      {"127.0.0.1:7080", "http://127.0.0.1:7081", "", Verdict::kRefuseOrigin},
      {"127.0.0.1:7080", "http://127.0.0.1", "", Verdict::kRefuseOrigin},
      {"127.0.0.1:7080", "null", "", Verdict::kRefuseOrigin},
      {"127.0.0.1:7080", "https://127.0.0.1:7080", "", Verdict::kRefuseOrigin},
      {"127.0.0.1:7443", "http://127.0.0.1:7443", "", Verdict::kRefuseOrigin, true},
      {"localhost", "https://localhost", "", Verdict::kRefuseOrigin},
      {"localhost", "tauri://localhost", "", Verdict::kRefuseOrigin},
      {"models.test", "app://models.test", "", Verdict::kRefuseOrigin},
      {"127.0.0.1:7080", "127.0.0.1:7080", "", Verdict::kRefuseOrigin},
      {"127.0.0.1:7080", "", "cross-site", Verdict::kRefuseOrigin},
      {"127.0.0.1:7080", "", "same-site", Verdict::kRefuseOrigin},
  };
  for (const Case& item : cases) {
    EXPECT_EQ(guard.Check({item.host, item.origin, item.fetch_site, item.secure}), item.verdict)
        << item.host << " " << item.origin << " " << item.fetch_site;
  }
}

// In a pod any Host is answered; but a page is this server's own only if its name cannot be
// rebound.
TEST(BrowserGuardTest, WithoutHostsAnOriginMustStillBeKnown) {
  const BrowserGuard guard({.check_host = false});
  EXPECT_EQ(guard.Check({"iris-predictor.default", "", ""}), Verdict::kPass);
  EXPECT_EQ(guard.Check({"evil.test:8080", "http://evil.test:8080", ""}), Verdict::kRefuseOrigin);
  EXPECT_EQ(guard.Check({"127.0.0.1:8080", "http://127.0.0.1:8080", ""}), Verdict::kPass);
}

TEST(BrowserGuardTest, Lists) {
  EXPECT_EQ(*BrowserGuard::ParseHosts("A.test,.b.test,*"),
            (std::vector<std::string>{"a.test", ".b.test", "*"}));
  EXPECT_TRUE(BrowserGuard::ParseHosts("")->empty());
  for (const char* wrong : {"a.test:80", "http://a.test", "a.test,,b.test", "*.a.test"}) {
    EXPECT_FALSE(BrowserGuard::ParseHosts(wrong)) << wrong;
  }
  EXPECT_EQ(BrowserGuard::ParseOrigins("https://a.test,http://localhost:3000")->size(), 2u);
  for (const char* wrong : {"a.test", "https://a.test/", "https://*.a.test", "https://"}) {
    EXPECT_FALSE(BrowserGuard::ParseOrigins(wrong)) << wrong;
  }
}

TEST(BrowserGuardTest, LoopbackHosts) {
  for (const char* host : {"127.0.0.1", "127.64.0.1", "localhost", "::1", "[::1]", "127.1",
                           "0x7f.1", "2130706433", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "", "127.0.0.1.test"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

TEST(BrowserGuardTest, TheServerAsksItFirst) {
  ServerOptions options;
  options.guard =
      std::make_shared<const BrowserGuard>(BrowserGuardOptions{.origins = {"https://app.test"}});
  int handled = 0;
  TestServer server(
      [&](Exchange& exchange) -> net::Task<void> {
        ++handled;
        Headers headers;
        headers.Add("Access-Control-Allow-Origin", "*");
        exchange.Send(200, "text/plain", "ok", &headers);
        co_return;
      },
      {}, options);
  auto client = Client::Make({.use_environment_proxy = false});
  auto ask = [&](std::string method, std::vector<std::pair<std::string, std::string>> headers) {
    ClientRequest request;
    request.method = method;
    request.url = server.Url();
    for (auto& [name, value] : headers) request.headers.Add(name, value);
    auto response = client->Do(request);
    EXPECT_TRUE(response);
    return response ? *response : ClientResponse{};
  };
  ClientResponse foreign = ask("POST", {{"Origin", "http://evil.test"}});
  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(foreign.headers.Get("Connection"), "close");
  EXPECT_EQ(handled, 0);
  ClientResponse preflight =
      ask("OPTIONS", {{"Origin", "https://app.test"}, {"Access-Control-Request-Method", "PUT"}});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.Get("Access-Control-Allow-Methods"), "PUT");
  EXPECT_EQ(handled, 0);
  ClientResponse allowed = ask("GET", {{"Origin", "https://app.test"}});
  EXPECT_EQ(allowed.status, 200);
  // One value, and not the handler's.
  EXPECT_EQ(allowed.headers.Get("Access-Control-Allow-Origin"), "https://app.test");
  EXPECT_EQ(allowed.headers.Get("Vary"), "Origin");
  EXPECT_EQ(ask("GET", {}).headers.Get("Vary"), "");
}

}  // namespace
}  // namespace kinglet::http
