#include "server/model_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "net/http/client.h"
#include "net/http/test_server.h"
#include "server/admin.h"
#include "server/testing.h"

namespace kinglet::server {
namespace {

using testing::HasSubstr;

Result<std::unique_ptr<Model>> Load(const std::filesystem::path& folder) {
  KINGLET_TRY(auto text, ReadFile(folder / "model"));
  return std::make_unique<DoublingModel>();
}

class ModelServerTest : public testing::Test {
 protected:
  ModelServerTest() {
    folder_.Write("m/model", "x");
    options_.model_name = "m";
    options_.model_dir = folder_.path() / "m";
    options_.http_host = "127.0.0.1";
    options_.http_port = 0;
    options_.workers = 2;
    options_.enable_access_log = false;
    options_.enable_latency_logging = false;
  }
  void Start() {
    auto server = ModelServer::Start(options_, &Load);
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = std::move(*server);
  }
  http::ClientResponse Call(std::string_view method, std::string_view path,
                            std::string_view body = "",
                            std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::ClientRequest request;
    request.method = method;
    request.url = fmt::format("http://127.0.0.1:{}{}", server_->port(), path);
    request.body = body;
    request.deadline = Deadline::After(20s);
    for (const auto& [name, value] : headers) request.headers.Add(name, value);
    if (!body.empty() && !request.headers.Has("content-type")) {
      request.headers.Add("content-type", "application/json");
    }
    auto response = client_->Do(request);
    EXPECT_TRUE(response) << response.error().ToString();
    return response ? *response : http::ClientResponse();
  }

  TemporaryFolder folder_;
  ServerOptions options_;
  std::unique_ptr<http::Client> client_ = http::Client::Make({.use_environment_proxy = false});
  std::unique_ptr<ModelServer> server_;
};

TEST_F(ModelServerTest, Routes) {
  Start();
  constexpr std::string_view kNotFound = R"({"detail":"Not Found"})";
  constexpr std::string_view kNotAllowed = R"({"detail":"Method Not Allowed"})";
  constexpr std::string_view kVersion = R"({"error":"Model versioning not supported yet."})";
  constexpr std::string_view kAbsent = R"({"error":"Model with name absent does not exist."})";
  struct {
    std::string_view method, path;
    int status;
    std::string_view body;
  } cases[] = {
      {"GET", "/", 200, R"({"status":"alive"})"},
      {"GET", "/v1/models", 200, R"({"models":["m"]})"},
      {"GET", "/v1/models/m", 200, R"({"name":"m","ready":true})"},
      {"GET", "/v1/models/%6d", 200, R"({"name":"m","ready":true})"},
      {"GET", "/v1/models/absent", 404, kAbsent},
      {"GET", "/v1/models/m:predict", 404,
       R"({"error":"Model with name m:predict does not exist."})"},
      {"POST", "/v1/models/absent:predict", 404, kAbsent},
      {"POST", "/v1/models/m:explain", 501, R"({"error":"Could not find explainer_host."})"},
      {"POST", "/v1/models/m", 405, kNotAllowed},
      {"GET", "/v1", 404, kNotFound},
      {"GET", "/v1/models/a/b", 404, kNotFound},
      {"GET", "/nothing", 404, kNotFound},
      {"POST", "/", 405, kNotAllowed},
      {"HEAD", "/v2", 405, ""},
      {"GET", "/docs", 404, kNotFound},
      {"GET", "/v2", 200,
       R"({"extensions":["model_repository_extension"],"name":"kserve","version":"0.15.0"})"},
      {"GET", "/v2/health/live", 200, R"({"live":true})"},
      {"GET", "/v2/health/ready", 200, R"({"ready":true})"},
      {"GET", "/v2/models", 200, R"({"models":["m"]})"},
      {"GET", "/v2/models/m", 200,
       R"({"inputs":[{"datatype":"FP64","name":"x","shape":[-1,2]}],"name":"m",)"
       R"("outputs":[{"datatype":"FP64","name":"output-0","shape":[-1,2]}],)"
       R"("platform":"","versions":null})"},
      {"GET", "/v2/models/absent", 404, kAbsent},
      {"GET", "/v2/models/m/ready", 200, R"({"name":"m","ready":true})"},
      {"GET", "/v2/models/absent/ready", 404, kAbsent},
      {"GET", "/v2/models/m/versions/1", 501, kVersion},
      {"GET", "/v2/models/m/versions/1/ready", 501, kVersion},
      {"POST", "/v2/models/m/versions/1/infer", 501, kVersion},
      {"GET", "/v2/models/m/infer", 405, kNotAllowed},
      {"GET", "/v2/models/m/other", 404, kNotFound},
      {"GET", "/v2/repository/models/m/load", 405, kNotAllowed},
      {"POST", "/v2/repository/models/absent/unload", 404, kAbsent},
      {"POST", "/v2/repository/index", 404, kNotFound},
  };
  for (const auto& item : cases) {
    auto response = Call(item.method, item.path);
    EXPECT_EQ(response.status, item.status) << item.method << " " << item.path;
    EXPECT_EQ(response.body, item.body) << item.method << " " << item.path;
    if (item.status == 405) EXPECT_NE(response.headers.Get("allow"), "");
  }
  auto redirect = Call("GET", "/v2/models/?a=b");
  EXPECT_EQ(redirect.status, 307);
  EXPECT_THAT(std::string(redirect.headers.Get("location")), testing::EndsWith("/v2/models?a=b"));
}

TEST_F(ModelServerTest, V1) {
  Start();
  struct {
    std::string_view body;
    int status;
    std::string_view answer;
  } cases[] = {
      {R"({"instances":[[1,2],[3,4.5]]})", 200, R"({"predictions":[[2.0,4.0],[6.0,9.0]]})"},
      {R"({"inputs":["a","b"]})", 200, R"({"predictions":["a","b"]})"},
      {R"({"instances":[{"a":1,"b":2},{"a":3,"b":4}]})", 200, R"({"predictions":[6.0,14.0]})"},
      {R"({"instances":1})", 400, R"({"error":"Expected \"instances\" to be a list"})"},
      {R"({"instances":[-1]})", 500, R"({"error":"negative input"})"},
      {R"({"instances":[500]})", 500, R"({"error":"the model broke"})"},
      {R"({"instances":)", 400,
       R"({"error":"Unrecognized request format: expected a number at byte 13"})"},
  };
  for (const auto& item : cases) {
    auto response = Call("POST", "/v1/models/m:predict", item.body);
    EXPECT_EQ(response.status, item.status) << item.body;
    EXPECT_EQ(response.headers.Get("content-type"), "application/json");
    if (item.status == 400 && item.body.ends_with(':')) {
      EXPECT_THAT(response.body, HasSubstr("Unrecognized request format: "));
    } else {
      EXPECT_EQ(response.body, item.answer) << item.body;
    }
  }
}

TEST_F(ModelServerTest, LargeBodiesAreComputedOnThePool) {
  Start();
  std::string body = R"({"instances":[)";
  for (int i = 0; i < 400'000; ++i) body += "1.25,";
  body += "1]}";
  auto response = Call("POST", "/v1/models/m:predict", body);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.body.ends_with("2.5,2.0]}"));
}

TEST_F(ModelServerTest, V2) {
  Start();
  auto response =
      Call("POST", "/v2/models/m/infer",
           R"({"id":"1","inputs":[{"name":"x","shape":[2],"datatype":"INT32","data":[1,2]}]})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body,
            R"({"model_name":"m","model_version":null,"id":"1","parameters":null,"outputs":[)"
            R"({"name":"output-0","shape":[2],"datatype":"FP64","parameters":null,)"
            R"("data":[2.0,4.0]}]})");
  response = Call("POST", "/v2/models/m/infer", R"({"id":"1"})");
  EXPECT_EQ(response.status, 422);
  EXPECT_THAT(response.body, HasSubstr(R"("loc":["body","InferenceRequest","inputs"])"));
  response = Call("POST", "/v2/models/m/infer", R"({"inputs":[]})");
  EXPECT_EQ(response.status, 500);
  response =
      Call("POST", "/v2/models/m/infer", "xyz", {{"content-type", "application/octet-stream"}});
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body,
            R"({"error":"received byte inputs, but the'inference-header-content-length' header is )"
            R"(missing."})");
}

TEST_F(ModelServerTest, V2Binary) {
  Start();
  std::string json =
      R"({"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1],"datatype":"FP64",)"
      R"("parameters":{"binary_data_size":8}}]})";
  double value = 1.5;
  std::string body = json + std::string(reinterpret_cast<const char*>(&value), 8);
  auto response = Call("POST", "/v2/models/m/infer", body,
                       {{"content-type", "application/octet-stream"},
                        {"Inference-Header-Content-Length", std::to_string(json.size())}});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.headers.Get("content-type"), "application/octet-stream");
  size_t length = std::stoul(std::string(response.headers.Get("inference-header-content-length")));
  ASSERT_EQ(response.body.size(), length + 8);
  std::memcpy(&value, response.body.data() + length, 8);
  EXPECT_EQ(value, 3.0);
  response = Call(
      "POST", "/v2/models/m/infer", body,
      {{"content-type", "application/octet-stream"}, {"Inference-Header-Content-Length", "x"}});
  EXPECT_EQ(response.status, 400);
}

TEST_F(ModelServerTest, CloudEvents) {
  options_.cloud_events.merge = true;
  Start();
  std::vector<std::pair<std::string, std::string>> headers = {{"ce-specversion", "1.0"},
                                                              {"ce-id", "1"},
                                                              {"ce-source", "s"},
                                                              {"ce-type", "t"},
                                                              {"ce-extra", "e"}};
  auto response = Call("POST", "/v1/models/m:predict", R"({"instances":[1]})", headers);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"predictions":[2.0]})");
  EXPECT_EQ(response.headers.Get("ce-source"), "io.kserve.inference.m");
  EXPECT_EQ(response.headers.Get("ce-type"), "io.kserve.inference.response");
  EXPECT_EQ(response.headers.Get("ce-extra"), "e");
  EXPECT_NE(response.headers.Get("ce-id"), "1");
  response = Call("POST", "/v1/models/m:predict", "nonsense", headers);
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("Failed to decode or parse binary json cloudevent: "));
  headers[0].second = "7";
  response = Call("POST", "/v1/models/m:predict", R"({"instances":[1]})", headers);
  EXPECT_THAT(response.body, HasSubstr("Cloud Event Exceptions: "));

  response = Call("POST", "/v1/models/m:predict",
                  R"({"time":"t","type":"a","source":"b","id":"c","specversion":"1.0",)"
                  R"("data":{"instances":[1]},"extra":"e"})",
                  {{"content-type", "application/cloudevents+json"}});
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.headers.Get("content-type"), "application/cloudevents+json");
  auto event = Json::Parse(response.body);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->At({"data", "predictions"}).Dump(), "[2]");
  EXPECT_EQ((*event)["extra"].AsString(), "e");
  EXPECT_EQ((*event)["source"].AsString(), "io.kserve.inference.m");
}

TEST_F(ModelServerTest, LoadAndUnload) {
  Start();
  auto response = Call("POST", "/v2/repository/models/m/load");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"load":true,"name":"m"})");
  EXPECT_EQ(Call("GET", "/v2/health/ready").status, 200);
  response = Call("POST", "/v2/repository/models/m/unload");
  EXPECT_EQ(response.body, R"({"name":"m","unload":true})");
  EXPECT_EQ(Call("GET", "/v1/models/m").status, 404);
  EXPECT_EQ(Call("GET", "/v2/health/ready").status, 503);
  response = Call("POST", "/v2/repository/models/absent/load");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("Model with name absent is not ready. Error type: "));
}

TEST_F(ModelServerTest, WhoMayLoadAndUnload) {
  const std::string unload = "/v2/repository/models/m/unload";
  options_.http_host = "0.0.0.0";
  Start();
  for (const char* name :
       {"origin", "x-forwarded-for", "forwarded", "via", "x-envoy-attempt-count"}) {
    auto refused = Call("POST", unload, "", {{name, "1"}});
    EXPECT_EQ(refused.status, 403) << name;
    EXPECT_THAT(refused.body, HasSubstr("--admin-key-file")) << name;
  }
  EXPECT_EQ(Call("POST", unload).status, 200);  // a program beside it
  server_.reset();

  options_.admin_key_file = folder_.path() / "key";
  folder_.Write("key", "short");
  EXPECT_FALSE(ModelServer::Start(options_, &Load));
  folder_.Write("key", "0123456789abcdef\n");
  Start();
  EXPECT_EQ(Call("POST", unload).status, 403);
  EXPECT_EQ(Call("POST", unload, "", {{"authorization", "Bearer 0123456789abcdeX"}}).status, 403);
  EXPECT_EQ(
      Call("POST", unload, "", {{"authorization", "Bearer 0123456789abcdef"}, {"via", "x"}}).status,
      200);
}

TEST(AdminTest, ThePeersUserIsThatOfItsSocket) {
  http::TestServer server([](http::Exchange& exchange) -> net::Task<void> {
    exchange.Send(200, "text/plain",
                  PeerIsOwnUser(exchange.peer(), exchange.local()) ? "own" : "foreign");
    co_return;
  });
  auto client = http::Client::Make({.use_environment_proxy = false});
  http::ClientRequest request;
  request.url = server.Url();
  auto response = client->Do(request);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "own");
  EXPECT_FALSE(PeerIsOwnUser("127.0.0.1:1", "127.0.0.1:2"));
  EXPECT_FALSE(PeerIsOwnUser("unix", "unix"));
  EXPECT_FALSE(PeerIsOwnUser("", "[::1"));
}

TEST_F(ModelServerTest, RepositoryOfFolders) {
  folder_.Write("n/model", "x");
  options_.model_dir = folder_.path();
  Start();
  EXPECT_EQ(Call("GET", "/v1/models").body, R"({"models":["m","n"]})");
  folder_.Write("later/model", "x");
  EXPECT_EQ(Call("POST", "/v2/repository/models/later/load").status, 200);
  EXPECT_EQ(Call("POST", "/v1/models/later:predict", R"({"instances":[1]})").status, 200);
  EXPECT_EQ(Call("POST", "/v2/repository/models/..%2Fm/load").status, 503);
}

TEST_F(ModelServerTest, Metrics) {
  Start();
  Call("POST", "/v1/models/m:predict", R"({"instances":[1]})");
  Call("POST", "/v1/models/m:predict", R"({"instances":1})");
  auto response = Call("GET", "/metrics");
  EXPECT_THAT(response.body, HasSubstr("request_predict_seconds_count{model_name=\"m\"} 1"));
  EXPECT_THAT(response.body, HasSubstr("request_preprocess_seconds_count{model_name=\"m\"} 1"));
  EXPECT_THAT(response.body, HasSubstr("kinglet_requests_total{code=\"400\"} 1"));
  EXPECT_THAT(response.body, HasSubstr("kinglet_requests_in_flight 1"));
}

TEST_F(ModelServerTest, Documents) {
  options_.enable_docs_url = true;
  Start();
  auto document = Json::Parse(Call("GET", "/openapi.json").body);
  ASSERT_TRUE(document);
  EXPECT_TRUE(document->At({"paths", "/v2/models/{model_name}/infer", "post"}).IsObject());
  EXPECT_EQ(Call("GET", "/docs").status, 200);
}

TEST_F(ModelServerTest, DrainUnloads) {
  Start();
  std::weak_ptr<const Model> model = server_->repository().Find("m")->model;
  server_->Drain(Deadline::After(20s));
  EXPECT_TRUE(model.expired());
}

TEST_F(ModelServerTest, StartFailsWithAReason) {
  auto start = [&](std::string_view dir) {
    options_.model_dir = dir;
    auto server = ModelServer::Start(options_, &Load);
    return server ? "started" : server.error().message();
  };
  EXPECT_THAT(start(""), HasSubstr("--model_dir is required"));
  EXPECT_THAT(start("/absent/folder"), HasSubstr("No such file"));
  EXPECT_THAT(start("s3://bucket/model"), HasSubstr("does not download"));
  options_.access_log_format = "%(x)s";
  EXPECT_THAT(start((folder_.path() / "m").string()), HasSubstr("unknown field"));
}

TEST_F(ModelServerTest, FetcherBringsUris) {
  options_.model_dir = "s3://bucket/model";
  std::string asked;
  auto server = ModelServer::Start(options_, &Load, [&](std::string_view uri) {
    asked = uri;
    return Result<std::filesystem::path>(folder_.path() / "m");
  });
  EXPECT_TRUE(server);
  EXPECT_EQ(asked, "s3://bucket/model");
}

TEST(ServerFlags, TakesKServesFlags) {
  ServerOptions options;
  Flags flags("t", "");
  ServerFlags server_flags(flags, &options);
  ASSERT_TRUE(
      flags.Parse({"--model_name=iris", "--model_dir", "/m", "--http_port", "0", "--enable_grpc",
                   "false", "--workers=2", "--max_threads", "8", "--enable_latency_logging=no",
                   "--predictor_host", "x", "--protocol", "grpc-v2", "--made_up", "1"},
                  true));
  ASSERT_TRUE(server_flags.Check());
  EXPECT_EQ(options.model_name, "iris");
  EXPECT_EQ(options.http_port, 0);
  EXPECT_FALSE(options.enable_grpc);
  EXPECT_FALSE(options.enable_latency_logging);
  EXPECT_EQ(options.workers, 2);
  EXPECT_EQ(flags.unknown().size(), 2u);
}

TEST(ServerFlags, RefusesBadValues) {
  auto check = [](std::vector<std::string> arguments) {
    ServerOptions options;
    Flags flags("t", "");
    ServerFlags server_flags(flags, &options);
    auto parsed = flags.Parse(std::move(arguments), true);
    if (!parsed) return parsed.error().message();
    auto status = server_flags.Check();
    return status ? std::string() : status.error().message();
  };
  EXPECT_THAT(check({"--http_port=70000"}), HasSubstr("http-port"));
  EXPECT_THAT(check({"--http_port=x"}), HasSubstr("not a number"));
  EXPECT_THAT(check({"--enable_grpc=maybe"}), HasSubstr("truth value"));
  EXPECT_THAT(check({"--protocol=v3"}), HasSubstr("v3"));
  EXPECT_THAT(check({"--workers=-1"}), HasSubstr("workers"));
  EXPECT_THAT(check({"--model_name=a/b"}), HasSubstr("model-name"));
}

}  // namespace
}  // namespace kinglet::server
