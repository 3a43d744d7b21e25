#include "local/gateway/routes.h"

#include <gtest/gtest.h>

namespace kinglet::gateway {
namespace {

Json Parse(std::string_view text) {
  auto parsed = Json::Parse(text);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  return parsed ? *parsed : Json();
}

Json Service(std::string name) {
  return Parse(fmt::format(R"({{"metadata": {{"name": "{}", "namespace": "default"}},
    "spec": {{"ports": [{{"name": "http", "port": 80}}, {{"name": "grpc", "port": 9000}}]}}}})",
                           name));
}

Json Endpoints(std::string name, std::string ip) {
  return Parse(fmt::format(R"({{"metadata": {{"name": "{}", "namespace": "default"}}, "subsets": [
    {{"addresses": [{{"ip": "{}"}}], "notReadyAddresses": [{{"ip": "127.9.9.9"}}],
      "ports": [{{"name": "http", "port": 8080}}, {{"name": "grpc", "port": 9000}}]}}]}})",
                           name, ip));
}

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    Json ingress =
        Parse(R"({"metadata": {"name": "iris", "namespace": "default"}, "spec": {"rules": [
      {"host": "iris-explainer-default.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "iris-explainer", "port": {"number": 80}}}}]}},
      {"host": "iris-default.example.com", "http": {"paths": [
         {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "iris-predictor", "port": {"number": 80}}}},
         {"path": "/deep/er", "pathType": "Prefix", "backend": {"service": {"name": "iris-deep", "port": {"name": "http"}}}},
         {"path": "/exact", "pathType": "Exact", "backend": {"service": {"name": "iris-deep", "port": {"number": 80}}}}]}},
      {"host": "*.wild.io", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "iris-gone", "port": {"number": 80}}}}]}}]}})");
    table_ = RoutingTable::Build(
        {ingress}, {Service("iris-predictor"), Service("iris-explainer"), Service("iris-deep")},
        {Endpoints("iris-predictor", "127.64.0.1"), Endpoints("iris-explainer", "127.64.0.2"),
         Endpoints("iris-deep", "127.64.0.3")},
        "cluster.local", registry_);
  }
  EndpointRegistry registry_;
  std::shared_ptr<const RoutingTable> table_;
};

TEST_F(RoutesTest, MatchesHostsPathsAndServiceNames) {
  struct Case {
    const char *host, *path, *service, *target;
    int port = 8080;
  };
  for (const Case& c : {
           Case{"iris-default.example.com", "/v1/models", "iris-predictor", ""},
           Case{"IRIS-default.example.com:8080", "/", "iris-predictor", ""},
           Case{"iris-default.example.com.", "/deep/er/x", "iris-deep", ""},
           Case{"iris-default.example.com", "/deep/erx", "iris-predictor", ""},
           Case{"iris-default.example.com", "/exact", "iris-deep", ""},
           Case{"iris-default.example.com", "/exact/x", "iris-predictor", ""},
           Case{"iris-explainer-default.example.com", "/", "iris-explainer", ""},
           Case{"iris-predictor.default", "/", "iris-predictor", ""},
           Case{"iris-predictor.default.svc:80", "/", "iris-predictor", ""},
           Case{"iris-predictor.default.svc.cluster.local", "/", "iris-predictor", ""},
           Case{"iris-predictor.default.svc:9000", "/", "iris-predictor", "", 9000},
           Case{"127.0.0.1:8080", "/serving/default/iris/v1/models/iris:predict", "iris-predictor",
                "/v1/models/iris:predict?a=b"},
           Case{"localhost", "/serving/default/iris/v1/models/iris:explain", "iris-explainer",
                "/v1/models/iris:explain?a=b"},
           Case{"localhost", "/serving/default/iris", "iris-predictor", "/?a=b"},
       }) {
    Match match = table_->Find(c.host, c.path, "a=b");
    ASSERT_NE(match.backend, nullptr) << c.host << c.path << ": " << match.hint;
    EXPECT_EQ(match.backend->service, c.service) << c.host << c.path;
    EXPECT_EQ(match.target, c.target) << c.host << c.path;
    ASSERT_EQ(match.backend->endpoints.size(), 1u);
    EXPECT_EQ(match.backend->endpoints[0]->port, c.port);
  }
  Match none = table_->Find("a.wild.io", "/", "");
  ASSERT_NE(none.backend, nullptr);
  EXPECT_TRUE(none.backend->endpoints.empty());
}

TEST_F(RoutesTest, SaysWhatItKnowsWhereThereIsNoRoute) {
  for (const char* host :
       {"unknown.example.com", "", "a.b.wild.io", "iris.default.svc.other.domain", "[::1]:80",
        ":::", "iris-predictor.other"}) {
    Match match = table_->Find(host, "/", "");
    EXPECT_EQ(match.backend, nullptr) << host;
    EXPECT_NE(match.hint.find("iris-default.example.com"), std::string::npos) << match.hint;
  }
  Match match = table_->Find("localhost", "/serving/default/typo/v1", "");
  EXPECT_NE(match.hint.find("default/typo"), std::string::npos);
  EXPECT_NE(match.hint.find("default/iris"), std::string::npos);
}

// An answer to anybody must not grow with what is served.
TEST(RoutingTable, NamesAtMostTenServices) {
  std::vector<Json> ingresses, services;
  for (int i = 0; i < 50; ++i) {
    const std::string name = fmt::format("service-{:02}", i);
    ingresses.push_back(*Json::Parse(fmt::format(
        R"({{"metadata":{{"name":"{0}","namespace":"a"}},"spec":{{"rules":[{{"host":"{0}.example",
             "http":{{"paths":[{{"path":"/","backend":{{"service":{{"name":"{0}"}}}}}}]}}}}]}}}})",
        name)));
  }
  EndpointRegistry registry;
  auto table = RoutingTable::Build(ingresses, services, {}, "cluster.local", registry);
  for (const char* path : {"/", "/serving/a/typo/v1"}) {
    const std::string hint = table->Find("localhost", path, "").hint;
    EXPECT_NE(hint.find("service-09"), hint.npos) << hint;
    EXPECT_EQ(hint.find("service-10"), hint.npos) << hint;
  }
}

TEST(PickEndpoint, TakesTheLeastLoadedThatIsLeft) {
  EndpointRegistry registry;
  Backend backend;
  for (int i = 1; i <= 3; ++i)
    backend.endpoints.push_back(registry.Get("127.64.0." + std::to_string(i), 80));
  backend.endpoints[0]->outstanding = 2;
  backend.endpoints[1]->outstanding = 1;
  backend.endpoints[2]->retired = true;
  EXPECT_EQ(PickEndpoint(backend, {}, 0), backend.endpoints[1]);
  EXPECT_EQ(PickEndpoint(backend, {backend.endpoints[1]}, 0), backend.endpoints[0]);
  EXPECT_EQ(PickEndpoint(backend, {backend.endpoints[0], backend.endpoints[1]}, 0), nullptr);
}

TEST(EndpointRegistry, AnAddressThatComesBackIsNotRetired) {
  EndpointRegistry registry;
  EndpointPtr first = registry.Get("127.64.0.1", 80);
  first->retired = true;
  first->outstanding = 1;
  registry.Prune({});
  EXPECT_EQ(registry.OfPod("127.64.0.1").size(), 1u);
  EXPECT_FALSE(registry.Get("127.64.0.1", 80)->retired);
  first->outstanding = 0;
  registry.Prune({});
  EXPECT_TRUE(registry.OfPod("127.64.0.1").empty());
}

TEST_F(RoutesTest, KnowsTheNamesOfRoutesAndServices) {
  for (const char* host : {"iris-default.example.com", "x.wild.io", "iris-predictor.default.svc",
                           "iris-predictor.default.svc.cluster.local"}) {
    EXPECT_TRUE(table_->KnowsHost(host)) << host;
  }
  for (const char* host :
       {"evil.example.com", "wild.io", "iris-predictor.other", "iris-predictor", "",
        // As "iris-predictor.ml" would, it could have an owner in the public DNS.
        "iris-predictor.default", "iris-predictor.default.cluster.local"}) {
    EXPECT_FALSE(table_->KnowsHost(host)) << host;
  }
}

TEST(RepositoryPathTest, HoweverItIsWritten) {
  for (const char* path :
       {"/v2/repository/models/m/unload", "/v2/repository/index", "/v2/repository",
        "//v2//repository/x", "/v2/./repository/x", "/v2/a/../repository/x",
        "/a/../v2/repository/x", "/v2/%72epository/x", "/v2/%2572epository/x", "/v2%2frepository/x",
        "/V2/Repository/x", "/v2/repository;a=b/x", "/v2\\repository/x",
        "/v2/%72epository/models/%zz/load", "/v2/%2572epository/%", "/v2/%72epository/%7"}) {
    EXPECT_TRUE(IsRepositoryPath(path)) << path;
  }
  for (const char* path :
       {"/", "", "/v2", "/v2/models/repository/infer", "/v1/models/repository:predict",
        "/v2/repositoryx", "/v2/models/%72epository", "/v2/%zzrepository"}) {
    EXPECT_FALSE(IsRepositoryPath(path)) << path;
  }
}

}  // namespace
}  // namespace kinglet::gateway
