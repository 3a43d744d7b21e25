// The server over HTTP: authentication, watches, garbage collection, logs; and, for tests that are
// written in other languages, a server that runs until its standard input ends.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/file.h"
#include "local/apiserver/test_support.h"
#include "net/http/client.h"

namespace kinglet::local::testing {
namespace {

class ServerTest : public Fixture {
 protected:
  void Configure(ApiServerOptions& options) override {
    options.bearer_token = "secret";
    options.pod_logs = [](const PodLogRequest& request, const LogSink& sink) -> Status {
      if (request.container == "none") return Fail(Code::kNotFound, "no log");
      KINGLET_RETURN_IF_ERROR(sink("line of " + request.container + "\n"));
      return {};
    };
  }
  void SetUp() override {
    Fixture::SetUp();
    server_->Start();
    client_ = http::Client::Make();
  }
  http::ClientRequest Request(std::string_view method, std::string_view target,
                              std::string_view yaml = "") {
    http::ClientRequest request;
    request.method = method;
    request.url = server_->url() + std::string(target);
    request.headers.Set("Authorization", "Bearer secret");
    request.headers.Set("Content-Type", "application/json");
    request.deadline = Deadline::After(std::chrono::seconds(60));
    if (!yaml.empty()) request.body = Yaml(yaml).Dump();
    return request;
  }
  Json Send(std::string_view method, std::string_view target, std::string_view yaml = "") {
    auto response = client_->Do(Request(method, target, yaml));
    EXPECT_TRUE(response) << response.error().message();
    if (!response) return Json();
    auto json = Json::Parse(response->body);
    return json ? *json : Json(response->body);
  }
  // Reads watch events until `done` says so.
  void Watch(const std::string& target, const std::function<bool(const Json&)>& done) {
    std::string buffer;
    bool finished = false;
    auto result = client_->Stream(
        Request("GET", target), [](const http::ClientResponse&) -> Status { return {}; },
        [&](std::string_view bytes) -> Status {
          buffer += bytes;
          size_t end;
          while ((end = buffer.find('\n')) != std::string::npos) {
            auto event = Json::Parse(std::string_view(buffer).substr(0, end));
            buffer.erase(0, end + 1);
            EXPECT_TRUE(event);
            if (event && done(*event)) {
              finished = true;
              return Fail(Code::kCancelled, "enough");
            }
          }
          return {};
        });
    EXPECT_TRUE(finished) << (result ? "the watch ended" : result.error().message());
  }
  std::unique_ptr<http::Client> client_;
};

constexpr std::string_view kMaps = "/api/v1/namespaces/default/configmaps";

std::string Map(std::string_view name, std::string_view more = "") {
  return fmt::format("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}{}}}\n", name, more);
}

TEST_F(ServerTest, NeedsTheToken) {
  auto request = Request("GET", "/api/v1/namespaces");
  request.headers.Remove("Authorization");
  auto response = client_->Do(request);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 401);
  request.headers.Set("Authorization", "Bearer wrong!");
  EXPECT_EQ(client_->Do(request)->status, 401);
  request.headers.Set("Authorization", "Bearer secret");
  EXPECT_EQ(client_->Do(request)->status, 200);
  request.headers.Remove("Authorization");
  request.url = server_->url() + "/readyz";
  EXPECT_EQ(client_->Do(request)->body, "ok");
}

TEST_F(ServerTest, WatchesFromAVersionWithSelectors) {
  Json list = Send("GET", kMaps);
  std::string from = list["metadata"]["resourceVersion"].AsString();
  Send("POST", kMaps, Map("a", ", labels: {x: y}"));
  Send("POST", kMaps, Map("b"));
  std::thread later([&] {
    auto patch = Request("PATCH", std::string(kMaps) + "/a", "{metadata: {labels: {x: z}}}");
    patch.headers.Set("Content-Type", "application/merge-patch+json");
    EXPECT_EQ(client_->Do(patch)->status, 200);
  });
  std::vector<std::string> seen;
  Watch(fmt::format("{}?watch=1&labelSelector=x%3Dy&resourceVersion={}", kMaps, from),
        [&](const Json& event) {
          seen.push_back(event["type"].AsString() + " " +
                         event["object"]["metadata"]["name"].AsString());
          return seen.size() == 2;
        });
  later.join();
  EXPECT_THAT(seen, ::testing::ElementsAre("ADDED a", "DELETED a"));
}

TEST_F(ServerTest, WatchesBeginWithTheStateAndABookmark) {
  Send("POST", kMaps, Map("a"));
  std::vector<std::string> types;
  Watch(fmt::format("{}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
                    "&resourceVersionMatch=NotOlderThan",
                    kMaps),
        [&](const Json& event) {
          types.push_back(event["type"].AsString());
          return types.back() == "BOOKMARK";
        });
  EXPECT_THAT(types, ::testing::ElementsAre("ADDED", "BOOKMARK"));
  EXPECT_EQ(
      client_
          ->Do(Request("GET", fmt::format("{}?watch=1&resourceVersion=0&timeoutSeconds=1", kMaps)))
          ->status,
      200);
}

TEST_F(ServerTest, CollectsDependentsInEveryWay) {
  auto own = [&](std::string_view owner_uid) {
    return fmt::format(
        ", ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {}, "
        "blockOwnerDeletion: true}}]",
        owner_uid);
  };
  for (const char* policy : {"Background", "Foreground", "Orphan"}) {
    Json owner = Send("POST", kMaps, Map("owner"));
    Send("POST", kMaps, Map("child", own(owner["metadata"]["uid"].AsString())));
    std::string version = Send("GET", kMaps)["metadata"]["resourceVersion"].AsString();
    Send("DELETE", std::string(kMaps) + "/owner", fmt::format("{{propagationPolicy: {}}}", policy));
    bool orphan = std::string_view(policy) == "Orphan";
    std::string gone;
    Watch(fmt::format("{}?watch=1&resourceVersion={}", kMaps, version), [&](const Json& event) {
      if (event["type"].AsString() != "DELETED") return false;
      gone += event["object"]["metadata"]["name"].AsString() + " ";
      return orphan || gone.size() > 10;
    });
    EXPECT_EQ(gone, orphan                                     ? "owner "
                    : std::string_view(policy) == "Foreground" ? "child owner "
                                                               : "owner child ");
    Json child = Send("GET", std::string(kMaps) + "/child");
    EXPECT_EQ(child["kind"].AsString(), orphan ? "ConfigMap" : "Status");
    EXPECT_FALSE(child["metadata"].Has("ownerReferences"));
  }
}

TEST_F(ServerTest, NamespacesAreEmptiedThenRemoved) {
  Send("POST", "/api/v1/namespaces", "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}");
  Send("POST", "/api/v1/namespaces/n/configmaps", Map("a"));
  std::string version = Send("GET", "/api/v1/namespaces")["metadata"]["resourceVersion"].AsString();
  Json marked = Send("DELETE", "/api/v1/namespaces/n");
  EXPECT_EQ(marked["status"]["phase"].AsString(), "Terminating");
  Watch("/api/v1/namespaces?watch=1&resourceVersion=" + version,
        [&](const Json& event) { return event["type"].AsString() == "DELETED"; });
  EXPECT_EQ(Send("GET", "/api/v1/configmaps?fieldSelector=metadata.namespace%3Dn")["items"].size(),
            0u);
}

TEST_F(ServerTest, StreamsLogs) {
  Send("POST", "/api/v1/namespaces/default/pods",
       "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: "
       "[{name: c, image: i}, {name: none, image: i}]}");
  std::string base = "/api/v1/namespaces/default/pods/p/log";
  EXPECT_EQ(client_->Do(Request("GET", base + "?container=c"))->body, "line of c\n");
  EXPECT_EQ(Send("GET", base)["message"].AsString(),
            "a container name must be specified for pod p, choose one of: [c none]");
  EXPECT_EQ(client_->Do(Request("GET", base + "?container=none"))->status, 404);
  EXPECT_EQ(client_->Do(Request("GET", base + "?container=zzz"))->status, 400);
}

class EventLifetimeTest : public Fixture {};

TEST_F(EventLifetimeTest, OldEventsAreDeleted) {
  for (const auto& [name, time] : {std::pair{"old", std::string("2020-01-01T00:00:00Z")},
                                   std::pair{"new", FormatRfc3339(Clock::System().Wall())}}) {
    auto made = Call("POST", "/api/v1/namespaces/default/events",
                     Yaml(fmt::format(R"({{apiVersion: v1, kind: Event, metadata: {{name: {}}},
                       involvedObject: {{kind: Pod, name: p, namespace: default}}, lastTimestamp: "{}"}})",
                                      name, time)));
    ASSERT_EQ(made.status, 201) << made.Message();
  }
  server_->Start();
  const Deadline deadline = Deadline::After(std::chrono::seconds(20));
  while (Get("/api/v1/namespaces/default/events/old").status != 404 && !deadline.Expired()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(Get("/api/v1/namespaces/default/events/old").status, 404);
  EXPECT_EQ(Get("/api/v1/namespaces/default/events/new").status, 200);
}

// KINGLET_APISERVER_LISTEN=port (0: any): prints the URL and serves until standard input ends.
TEST(ServeForClients, UntilStandardInputEnds) {
  const char* listen = std::getenv("KINGLET_APISERVER_LISTEN");
  if (!listen) GTEST_SKIP() << "KINGLET_APISERVER_LISTEN is not set";
  ApiServerOptions options;
  options.port = std::atoi(listen);
  if (const char* database = std::getenv("KINGLET_APISERVER_DATABASE")) options.database = database;
  if (const char* folder = std::getenv("KINGLET_APISERVER_CRDS")) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".yaml") continue;
      auto text = ReadFile(entry.path());
      ASSERT_TRUE(text);
      auto documents = ParseYamlDocuments(*text);
      ASSERT_TRUE(documents) << documents.error().message();
      for (Json& document : *documents) {
        if (document["kind"].AsString() == "CustomResourceDefinition") {
          options.crds.push_back(std::move(document));
        }
      }
    }
  } else {
    options.crds.push_back(*ParseYaml(kWidgetCrd));
  }
  options.pod_logs = [](const PodLogRequest& request, const LogSink& sink) -> Status {
    return sink("log of " + request.container + "\n");
  };
  auto server = ApiServer::Open(std::move(options));
  ASSERT_TRUE(server) << server.error().message();
  (*server)->Start();
  std::cout << (*server)->url() << std::endl;
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  (*server)->Stop(Deadline::After(std::chrono::seconds(2)));
}

}  // namespace
}  // namespace kinglet::local::testing
