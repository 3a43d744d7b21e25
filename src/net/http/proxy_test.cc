#include "net/http/proxy.h"

#include <gtest/gtest.h>

#include <map>

namespace kinglet::http {
namespace {

std::string ProxyOf(std::string_view url, std::map<std::string, std::string> variables) {
  auto proxy = ProxyFromEnvironment(*Uri::Parse(url), [&](const char* name) {
    auto it = variables.find(name);
    return it == variables.end() ? std::string() : it->second;
  });
  if (!proxy) return "error: " + proxy.error().message();
  return *proxy ? (*proxy)->ToString() : "";
}

TEST(Proxy, IsNamedByTheEnvironment) {
  EXPECT_EQ(ProxyOf("https://a.example", {}), "");
  EXPECT_EQ(ProxyOf("https://a.example", {{"HTTPS_PROXY", "p:3128"}}), "http://p:3128");
  EXPECT_EQ(ProxyOf("https://a.example", {{"HTTPS_PROXY", "http://u:s@p"}, {"https_proxy", "q"}}),
            "http://q");
  EXPECT_EQ(ProxyOf("http://a.example", {{"HTTPS_PROXY", "p"}}), "");
  EXPECT_EQ(ProxyOf("http://a.example", {{"HTTP_PROXY", "p"}}), "http://p");
  EXPECT_EQ(ProxyOf("http://a.example", {{"HTTP_PROXY", "p"}, {"REQUEST_METHOD", "GET"}}), "");
  EXPECT_EQ(ProxyOf("http://a.example", {{"ALL_PROXY", "p:1"}}), "http://p:1");
  EXPECT_EQ(ProxyOf("https://127.8.0.1:6443", {{"HTTPS_PROXY", "p"}}), "");
  EXPECT_EQ(ProxyOf("https://[::1]:6443", {{"HTTPS_PROXY", "p"}}), "");
  EXPECT_EQ(ProxyOf("https://localhost", {{"HTTPS_PROXY", "p"}}), "");
  EXPECT_EQ(ProxyOf("https://10.0.0.1", {{"HTTPS_PROXY", "p"}, {"NO_PROXY", ".svc,10.0.0.0/8"}}),
            "");
  EXPECT_TRUE(ProxyOf("https://a.example", {{"HTTPS_PROXY", "socks5://p"}}).starts_with("error"));
  EXPECT_TRUE(
      ProxyOf("https://a.example", {{"HTTPS_PROXY", "http://p:port"}}).starts_with("error"));
}

TEST(Proxy, NoProxyLists) {
  struct Row {
    const char* list;
    const char* host;
    int port;
    bool is_in;
  };
  const Row rows[] = {
      {"*", "anything", 80, true},
      {"example.com", "example.com", 80, true},
      {"example.com", "a.example.com", 80, true},
      {"example.com", "badexample.com", 80, false},
      {".example.com", "example.com", 80, false},
      {".example.com", "a.example.com", 80, true},
      {"*.example.com", "a.example.com", 80, true},
      {"EXAMPLE.com", "example.com", 80, true},
      {"a, b ,c", "b", 80, true},
      {"a:8080", "a", 80, false},
      {"a:8080", "a", 8080, true},
      {"10.1.2.3", "10.1.2.3", 1, true},
      {"10.1.2.3", "10.1.2.30", 1, false},
      {"10.1.0.0/16", "10.1.255.1", 1, true},
      {"10.1.0.0/16", "10.2.0.1", 1, false},
      {"10.1.2.4/31", "10.1.2.5", 1, true},
      {"10.1.2.4/31", "10.1.2.6", 1, false},
      {"0.0.0.0/0", "8.8.8.8", 1, true},
      {"0.0.0.0/0", "fd00::1", 1, false},
      {"10.0.0.0/33", "10.0.0.1", 1, false},
      {"10.0.0.0/x", "10.0.0.1", 1, false},
      {"fd00::/8", "fd12::1", 1, true},
      {"[fd00::1]:6443", "fd00::1", 6443, true},
      {"[fd00::1]:6443", "fd00::1", 443, false},
      {"fd00::1", "fd00::1", 443, true},
      {"[", "a", 1, false},
      {"", "a", 1, false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(IsInNoProxy(row.list, row.host, row.port), row.is_in)
        << row.list << " " << row.host << ":" << row.port;
  }
}

}  // namespace
}  // namespace kinglet::http
