// The HTTP client and the reflector against a server that plays an API server.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/encoding.h"
#include "kube/client.h"
#include "kube/fake_client.h"
#include "kube/informer.h"
#include "kube/lean_client.h"
#include "kube/watch_decoder.h"
#include "net/http/server.h"

namespace kinglet::kube {
namespace {

struct Seen {
  std::string method, target, content_type, authorization, body;
};

// Answers by script: a function from (request number for this path, request) to an answer.
class ApiServer {
 public:
  struct Answer {
    int status = 200;
    std::string body;
    http::Headers headers;
    bool hang_up = false;  // after the body, inside the chunked encoding
  };
  using Script = std::function<Answer(const Seen&)>;

  explicit ApiServer(Script script) : script_(std::move(script)), loops_(1) {
    auto made = http::Server::Listen(loops_, {.host = "127.0.0.1"},
                                     [this](http::Exchange& exchange) { return Handle(exchange); });
    KINGLET_CHECK(made.has_value());
    server_ = std::move(*made);
    loops_.Start();
    server_->Start();
  }
  ~ApiServer() { server_.reset(); }

  std::unique_ptr<Client> MakeClientFor(ClientConfig config = {}, bool lean = false) {
    config.server = fmt::format("http://127.0.0.1:{}/base/", server_->port());
    config.qps = 0;
    return lean ? *kube::MakeLeanClient(config) : *kube::MakeClient(config);
  }
  std::vector<Seen> seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  net::Task<void> Handle(http::Exchange& exchange) {
    auto body = co_await exchange.ReadBody();
    Seen request{std::string(exchange.method()), std::string(exchange.target()),
                 std::string(exchange.Header("Content-Type")),
                 std::string(exchange.Header("Authorization")), std::string(body.value_or(""))};
    Answer answer;
    {
      std::lock_guard lock(mutex_);
      seen_.push_back(request);
      answer = script_(request);
    }
    if (request.target.find("watch=true") == std::string::npos || answer.status >= 400) {
      exchange.Send(answer.status, "application/json", answer.body, &answer.headers);
      co_return;
    }
    exchange.SendHead(200, answer.headers);
    if (!answer.body.empty()) co_await exchange.Write(answer.body);
    if (!answer.hang_up) co_await exchange.End();
  }

  Script script_;
  std::mutex mutex_;
  std::vector<Seen> seen_;
  net::LoopGroup loops_;
  std::unique_ptr<http::Server> server_;
};

std::string StatusBody(int code, std::string_view reason, std::string_view message) {
  return Json::MakeObject(
             {{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", message}})
      .Dump();
}

std::string Event(std::string_view type, std::string_view name, int version) {
  return fmt::format(
      R"({{"type":"{}","object":{{"metadata":{{"name":"{}","namespace":"n","resourceVersion":"{}"}}}}}})"
      "\n",
      type, name, version);
}

TEST(HttpClient, ANameIsOneSegmentOfThePath) {
  ApiServer server([](const Seen&) { return ApiServer::Answer{.body = "{}"}; });
  auto client = server.MakeClientFor({});
  for (auto name : {".", "..", "p/status", "../n/p", "p%2Fstatus"}) {
    auto got = client->Get(kPod, {"n", name});
    ASSERT_FALSE(got) << name;
    EXPECT_EQ(got.error().code(), Code::kNotFound);
    EXPECT_FALSE(client->Delete(kPod, {"n", name}));
    EXPECT_FALSE(client->Get(kPod, {name, "p"}));
  }
}

TEST(HttpClient, SpeaksTheApi) {
  ApiServer server([](const Seen&) { return ApiServer::Answer{.body = R"({"items":[{"a":1}]})"}; });
  ClientConfig config;
  config.bearer_token = "tok";
  auto client = server.MakeClientFor(config);
  Json pod = MakeObjectMeta("v1", "Pod", {"n", "p"});
  ASSERT_TRUE(client->Get(kPod, {"n", "p"}));
  Json list = *client->List(kPod, "", {.label_selector = "a in (b)", .limit = 5});
  EXPECT_EQ(Kind(list["items"][0]), "Pod");
  ASSERT_TRUE(client->Create(kPod, pod, {.dry_run = true, .field_manager = "m"}));
  ASSERT_TRUE(client->Update(kPod, pod, {.subresource = "status"}));
  ASSERT_TRUE(client->Apply(kPod, pod, "m"));
  ASSERT_TRUE(client->Patch(kPod, {"n", "p"}, PatchType::kStrategic, pod));
  ASSERT_TRUE(client->Delete(kPod, {"n", "p"},
                             {.propagation = DeleteOptions::Propagation::kForeground, .uid = "u"}));
  ASSERT_TRUE(client->DeleteCollection(kPod, "n", {.field_selector = "x=y"}));
  EXPECT_EQ(client->Create(kPod, Json()).error().code(), Code::kInvalidArgument);
  auto seen = server.seen();
  ASSERT_EQ(seen.size(), 8u);
  EXPECT_EQ(seen[0].target, "/base/api/v1/namespaces/n/pods/p");
  EXPECT_EQ(seen[0].authorization, "Bearer tok");
  EXPECT_EQ(seen[1].target, "/base/api/v1/pods?labelSelector=a%20in%20%28b%29&limit=5");
  EXPECT_EQ(seen[2].target, "/base/api/v1/namespaces/n/pods?dryRun=All&fieldManager=m");
  EXPECT_EQ(seen[3].method + seen[3].target, "PUT/base/api/v1/namespaces/n/pods/p/status");
  EXPECT_EQ(seen[4].content_type, "application/apply-patch+yaml");
  EXPECT_EQ(seen[4].target, "/base/api/v1/namespaces/n/pods/p?fieldManager=m&force=true");
  EXPECT_EQ(seen[5].content_type, "application/strategic-merge-patch+json");
  EXPECT_EQ(seen[6].body,
            R"({"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u"},)"
            R"("propagationPolicy":"Foreground"})");
  EXPECT_EQ(seen[7].target, "/base/api/v1/namespaces/n/pods?fieldSelector=x%3Dy");
}

TEST(HttpClient, LeanAnswersHaveNoManagedFields) {
  constexpr std::string_view kPodText =
      R"({"metadata":{"name":"p","managedFields":[{"manager":"m"}]}})";
  ApiServer server([&](const Seen& request) {
    if (request.target.find("watch=true") != std::string::npos) {
      return ApiServer::Answer{.body =
                                   fmt::format("{{\"type\":\"ADDED\",\"object\":{}}}\n", kPodText)};
    }
    if (request.target.ends_with("/p")) return ApiServer::Answer{.body = std::string(kPodText)};
    return ApiServer::Answer{.body = fmt::format("{{\"items\":[{}]}}", kPodText)};
  });
  for (bool lean : {false, true}) {
    auto client = server.MakeClientFor({}, lean);
    EXPECT_EQ((*client->Get(kPod, {"n", "p"}))["metadata"].Has("managedFields"), !lean);
    EXPECT_EQ((*client->List(kPod, "n"))["items"][0]["metadata"].Has("managedFields"), !lean);
    int events = 0;
    ASSERT_TRUE(client->Watch(kPod, "n", {},
                              [&](WatchEvent event) -> Status {
                                ++events;
                                EXPECT_EQ(Name(event.object), "p");
                                EXPECT_EQ(event.object["metadata"].Has("managedFields"), !lean);
                                return {};
                              },
                              {}));
    EXPECT_EQ(events, 1);
  }
}

TEST(HttpClient, MapsErrors) {
  struct Row {
    int status;
    const char* reason;
    Code code;
  };
  const Row rows[] = {{404, "NotFound", Code::kNotFound},
                      {409, "AlreadyExists", Code::kAlreadyExists},
                      {409, "Conflict", Code::kAborted},
                      {410, "Expired", Code::kOutOfRange},
                      {410, "Gone", Code::kOutOfRange},
                      {422, "Invalid", Code::kFailedPrecondition},
                      {403, "Forbidden", Code::kPermissionDenied},
                      {401, "Unauthorized", Code::kUnauthenticated},
                      {429, "TooManyRequests", Code::kResourceExhausted},
                      {500, "InternalError", Code::kInternal},
                      {504, "Timeout", Code::kDeadlineExceeded}};
  for (const Row& row : rows) {
    ApiServer server([&](const Seen&) {
      return ApiServer::Answer{.status = row.status,
                               .body = StatusBody(row.status, row.reason, "the words")};
    });
    auto got = server.MakeClientFor()->Get(kPod, {"n", "p"});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), row.code) << row.reason;
    EXPECT_EQ(got.error().message(), "the words");
  }
  EXPECT_EQ(ErrorFromStatus(502, "<html>").code(), Code::kUnavailable);
  Json status = StatusFromError(Error(Code::kAborted, "x"));
  EXPECT_EQ(ErrorFromStatus(409, status.Dump()), Error(Code::kAborted, "x"));
}

TEST(HttpClient, WaitsWhenTold) {
  std::atomic<int> calls{0};
  ApiServer server([&](const Seen&) {
    ApiServer::Answer answer{.body = "{}"};
    if (++calls < 3) {
      answer.status = 429;
      answer.headers.Set("Retry-After", "0");
    }
    return answer;
  });
  EXPECT_TRUE(
      server.MakeClientFor()->Create(kNamespace, MakeObjectMeta("v1", "Namespace", {"", "x"})));
  EXPECT_EQ(calls, 3);
}

TEST(HttpClient, CannotConnect) {
  ClientConfig config;
  config.server = "http://127.0.0.1:1";
  auto got = (*MakeClient(config))->Get(kPod, {"n", "p"});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), Code::kUnavailable);
  EXPECT_NE(got.error().message().find("127.0.0.1:1"), std::string::npos);
}

TEST(WatchDecoder, TakesPiecesCutAnywhere) {
  std::string text = Event("ADDED", "a", 1) + "\n" + Event("BOOKMARK", "b", 2);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    std::vector<std::string> names;
    WatchDecoder decoder([&](WatchEvent event) -> Status {
      names.push_back(Name(event.object));
      return {};
    });
    ASSERT_TRUE(decoder.Feed(std::string_view(text).substr(0, cut)));
    ASSERT_TRUE(decoder.Feed(std::string_view(text).substr(cut)));
    ASSERT_TRUE(decoder.Finish());
    EXPECT_EQ(names, (std::vector<std::string>{"a", "b"})) << cut;
  }
  WatchDecoder decoder([](WatchEvent) -> Status { return {}; });
  EXPECT_FALSE(decoder.Feed("{}\n"));
  EXPECT_FALSE(decoder.Feed("nonsense\n"));
  EXPECT_FALSE(decoder.Feed("{\"type\":\"ADDED\"}\n"));
  Status gone =
      decoder.Feed(R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})"
                   "\n");
  EXPECT_EQ(gone.error().code(), Code::kOutOfRange);
  ASSERT_TRUE(decoder.Feed("{\"ty"));
  EXPECT_EQ(decoder.Finish().error().code(), Code::kUnavailable);
}

// Two pages, a watch with a bookmark that breaks off, a watch from the bookmark that is too old, a
// new list without one of the objects.
TEST(Informer, LivesThroughAnApiServersLife) {
  std::atomic<int> lists{0}, watches{0};
  ApiServer server([&](const Seen& seen) -> ApiServer::Answer {
    auto query = [&](std::string_view key) {
      return http::QueryGet(std::string_view(seen.target).substr(seen.target.find('?') + 1), key);
    };
    auto item = [](std::string_view name) {
      return fmt::format(R"({{"metadata":{{"name":"{}","namespace":"n","resourceVersion":"5"}}}})",
                         name);
    };
    if (query("watch").empty()) {
      int list = ++lists;
      if (list == 1) {
        return {.body = R"({"metadata":{"resourceVersion":"10","continue":"more"},"items":[)" +
                        item("a") + "]}"};
      }
      if (list == 2) {
        EXPECT_EQ(query("continue"), "more");
        return {.body = R"({"metadata":{"resourceVersion":"10"},"items":[)" + item("b") + "]}"};
      }
      return {.body = R"({"metadata":{"resourceVersion":"30"},"items":[)" + item("a") + "]}"};
    }
    int watch = ++watches;
    if (watch == 1) {
      EXPECT_EQ(query("resourceVersion"), "10");
      EXPECT_EQ(query("allowWatchBookmarks"), "true");
      return {.body = Event("MODIFIED", "a", 12) + Event("BOOKMARK", "", 20), .hang_up = true};
    }
    if (watch == 2) {
      EXPECT_EQ(query("resourceVersion"), "20");
      return {.status = 410, .body = StatusBody(410, "Expired", "too old")};
    }
    if (watch == 3) return {.body = Event("ADDED", "c", 31)};
    return {.status = 500, .body = StatusBody(500, "InternalError", "later")};
  });
  auto client = server.MakeClientFor();
  std::stop_source stop;
  std::mutex mutex;
  std::vector<std::string> log;
  auto note = [&](std::string_view what, const ObjectPtr& object) {
    std::lock_guard lock(mutex);
    log.push_back(fmt::format("{} {}", what, Name(*object)));
  };
  std::stop_source done;
  Informer informer(*client, kPod, {.backoff = 1ms});
  informer.AddHandler({.on_add =
                           [&](const ObjectPtr& object, bool) {
                             note("add", object);
                             if (Name(*object) == "c") done.request_stop();
                           },
                       .on_update = [&](auto&, const ObjectPtr& now) { note("update", now); },
                       .on_delete = [&](const ObjectPtr& last) { note("delete", last); }});
  informer.Start(stop.get_token());
  Deadline deadline = Deadline::After(20s);
  while (!done.stop_requested() && !deadline.Expired()) std::this_thread::yield();
  std::lock_guard lock(mutex);
  std::vector<std::string> first(log.begin(), log.begin() + std::min<size_t>(log.size(), 6));
  EXPECT_EQ(first, (std::vector<std::string>{"add a", "add b", "update a", "update a", "delete b",
                                             "add c"}));
}

}  // namespace
}  // namespace kinglet::kube
