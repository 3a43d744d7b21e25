#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "local/apiserver/test_support.h"

namespace kinglet::local::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kWidgets = "/apis/example.com/v1/namespaces/default/widgets";
constexpr std::string_view kPods = "/api/v1/namespaces/default/pods";

class ApiTest : public Fixture {
 protected:
  Answer Widget(std::string_view name, std::string_view spec = "model: iris") {
    return Post(kWidgets, fmt::format("apiVersion: example.com/v1\nkind: Widget\n"
                                      "metadata: {{name: {}}}\nspec: {{{}}}\n",
                                      name, spec));
  }
  std::string At(std::string_view name, std::string_view sub = "") {
    return fmt::format("{}/{}{}", kWidgets, name, sub);
  }
};

TEST_F(ApiTest, CreatesDefaultsGetsAndRefusesTwice) {
  Answer made = Widget("a");
  ASSERT_EQ(made.status, 201) << made.Message();
  EXPECT_EQ(made["spec"]["replicas"].AsInt(), 1);
  EXPECT_EQ(made["metadata"]["generation"].AsInt(), 1);
  EXPECT_EQ(made["metadata"]["namespace"].AsString(), "default");
  EXPECT_FALSE(made["metadata"]["uid"].AsString().empty());
  EXPECT_EQ(made["metadata"]["managedFields"][0]["manager"].AsString(), "test");
  EXPECT_EQ(Get(At("a")).body, made.body);
  Answer again = Widget("a");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.Message(), "widgets.example.com \"a\" already exists");
  Answer missing = Get(At("b"));
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.Message(), "widgets.example.com \"b\" not found");
  EXPECT_EQ(missing["reason"].AsString(), "NotFound");
}

TEST_F(ApiTest, InvalidObjectsNameEveryCause) {
  Answer wrong =
      Widget("Bad_Name", "model: X, replicas: -1, mode: Odd, ports: [{name: a}, {name: a}]");
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(wrong["reason"].AsString(), "Invalid");
  EXPECT_THAT(wrong.Message(), HasSubstr("Widget.example.com \"Bad_Name\" is invalid: ["));
  EXPECT_THAT(wrong.Message(),
              HasSubstr("metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123"));
  EXPECT_THAT(
      wrong.Message(),
      HasSubstr(
          "spec.mode: Unsupported value: \"Odd\": supported values: \"Standard\", \"Serverless\""));
  EXPECT_THAT(
      wrong.Message(),
      HasSubstr(
          "spec.model: Invalid value: \"X\": spec.model in body should be at least 2 chars long"));
  EXPECT_THAT(wrong.Message(), HasSubstr("spec.replicas: Invalid value: -1: spec.replicas in body "
                                         "should be greater than or equal to 0"));
  EXPECT_THAT(wrong.Message(), HasSubstr("spec.ports[1]: Duplicate value: {\"name\":\"a\"}"));
  EXPECT_EQ(wrong["details"]["causes"].size(), 6u);
  Answer type = Widget("b", "model: 5");
  EXPECT_EQ(
      type.Message(),
      "Widget.example.com \"b\" is invalid: spec.model: Invalid value: \"integer\": spec.model "
      "in body must be of type string: \"integer\"");
  EXPECT_THAT(Widget("c", "").Message(), HasSubstr("spec.model: Required value"));
}

TEST_F(ApiTest, UnknownFieldsWarnOrFailAndArePruned) {
  Json object = Yaml(
      "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n"
      "spec: {model: iris, typo: 1, pod: {anything: [1]}}");
  Answer strict = Call("POST", std::string(kWidgets) + "?fieldValidation=Strict", object);
  EXPECT_EQ(strict.status, 400);
  EXPECT_THAT(strict.Message(), HasSubstr("strict decoding error: unknown field \"spec.typo\""));
  Answer warned = Call("POST", kWidgets, object);
  EXPECT_EQ(warned.status, 201);
  EXPECT_EQ(warned.headers.Get("Warning"), "299 - \"unknown field \\\"spec.typo\\\"\"");
  EXPECT_FALSE(warned["spec"].Has("typo"));
  EXPECT_EQ(warned["spec"]["pod"]["anything"][0].AsInt(), 1);
  Json pod = Yaml(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
      "spec: {containers: [{name: c, image: i, imagee: x}]}");
  Answer built_in = Call("POST", std::string(kPods) + "?fieldValidation=Strict", pod);
  EXPECT_THAT(built_in.Message(), HasSubstr("unknown field \"spec.containers[0].imagee\""));
}

TEST_F(ApiTest, UpdatesCheckVersionsAndBumpGeneration) {
  Json object = Widget("a").body;
  Json stale = object;
  object.Path({"spec", "replicas"}) = 3;
  Answer updated = Call("PUT", At("a"), object);
  ASSERT_EQ(updated.status, 200) << updated.Message();
  EXPECT_EQ(updated["metadata"]["generation"].AsInt(), 2);
  stale.Path({"metadata", "labels", "x"}) = "y";
  Answer conflict = Call("PUT", At("a"), stale);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.Message(),
            "Operation cannot be fulfilled on widgets.example.com \"a\": the object has been "
            "modified; please apply your changes to the latest version and try again");
  // Status goes through its own door, and does not count as a generation.
  Json status = updated.body;
  status.Path({"status", "replicas"}) = 2;
  status.Path({"spec", "replicas"}) = 9;
  Answer set = Call("PUT", At("a", "/status"), status);
  ASSERT_EQ(set.status, 200) << set.Message();
  EXPECT_EQ(set["spec"]["replicas"].AsInt(), 3);
  EXPECT_EQ(set["status"]["replicas"].AsInt(), 2);
  EXPECT_EQ(set["metadata"]["generation"].AsInt(), 2);
  // Writing the same again changes nothing.
  EXPECT_EQ(Call("PUT", At("a"), set.body)["metadata"]["resourceVersion"],
            set["metadata"]["resourceVersion"]);
  EXPECT_THAT(
      Call("PUT", At("a"),
           Yaml("apiVersion: example.com/v1\nkind: Widget\n"
                "metadata: {name: a}\nspec: {model: iris}"))
          .Message(),
      HasSubstr("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"));
}

TEST_F(ApiTest, ImmutableFieldsOfCustomResources) {
  Json object = Widget("a", "model: iris, frozen: x").body;
  object.Path({"spec", "frozen"}) = "y";
  EXPECT_THAT(Call("PUT", At("a"), object).Message(),
              HasSubstr("spec.frozen: Invalid value: \"y\": frozen is immutable"));
}

TEST_F(ApiTest, Patches) {
  Widget("a", "model: iris, ports: [{name: a, port: 1}]");
  Answer merge = Call("PATCH", At("a"), Yaml("{spec: {replicas: 4}, metadata: {labels: {k: v}}}"),
                      "application/merge-patch+json");
  ASSERT_EQ(merge.status, 200) << merge.Message();
  EXPECT_EQ(merge["spec"]["replicas"].AsInt(), 4);
  Answer json = Call("PATCH", At("a"),
                     Yaml("[{op: test, path: /spec/replicas, value: 4}, "
                          "{op: replace, path: /spec/replicas, value: 5}]"),
                     "application/json-patch+json");
  EXPECT_EQ(json["spec"]["replicas"].AsInt(), 5) << json.Message();
  Answer failed = Call("PATCH", At("a"), Yaml("[{op: test, path: /spec/replicas, value: 4}]"),
                       "application/json-patch+json");
  EXPECT_EQ(failed.status, 422);
  EXPECT_EQ(
      Call("PATCH", At("a"), Yaml("{spec: {}}"), "application/strategic-merge-patch+json").status,
      415);
  Answer stale =
      Call("PATCH", At("a"), Yaml("{metadata: {resourceVersion: '1'}, spec: {replicas: 1}}"),
           "application/merge-patch+json");
  EXPECT_EQ(stale.status, 409);
  Answer dry = Call("PATCH", At("a") + "?dryRun=All", Yaml("{spec: {replicas: 7}}"),
                    "application/merge-patch+json");
  EXPECT_EQ(dry["spec"]["replicas"].AsInt(), 7);
  EXPECT_EQ(Get(At("a"))["spec"]["replicas"].AsInt(), 5);
}

TEST_F(ApiTest, ServerSideApplyTracksOwners) {
  auto apply = [&](std::string_view manager, std::string_view spec, bool force = false) {
    return Call("PATCH", fmt::format("{}?fieldManager={}&force={}", At("a"), manager, force),
                Yaml(fmt::format("apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: a}}\n"
                                 "spec: {{{}}}",
                                 spec)),
                "application/apply-patch+yaml");
  };
  Answer made = apply("one", "model: iris, replicas: 2, ports: [{name: a, port: 1}]");
  ASSERT_EQ(made.status, 201) << made.Message();
  Answer other = apply("two", "replicas: 3, model: iris");
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(
      other.Message(),
      "Apply failed with 1 conflict: conflict with \"one\" using example.com/v1: .spec.replicas");
  EXPECT_EQ(other["details"]["causes"][0]["reason"].AsString(), "FieldManagerConflict");
  Answer forced = apply("two", "replicas: 3, model: iris, ports: [{name: b, port: 2}]", true);
  ASSERT_EQ(forced.status, 200) << forced.Message();
  EXPECT_EQ(forced["spec"]["replicas"].AsInt(), 3);
  EXPECT_EQ(forced["spec"]["ports"].size(), 2u);
  // What a manager leaves out goes, unless another owns it.
  Answer less = apply("one", "model: iris");
  ASSERT_EQ(less.status, 200) << less.Message();
  EXPECT_EQ(less["spec"]["replicas"].AsInt(), 3);
  ASSERT_EQ(less["spec"]["ports"].size(), 1u);
  EXPECT_EQ(less["spec"]["ports"][0]["name"].AsString(), "b");
  std::string version = less["metadata"]["resourceVersion"].AsString();
  EXPECT_EQ(apply("one", "model: iris")["metadata"]["resourceVersion"].AsString(), version);
}

TEST_F(ApiTest, ListsInChunksAndBySelector) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Widget(name);
  Call("PATCH", At("c"), Yaml("{metadata: {labels: {x: y}}}"), "application/merge-patch+json");
  Answer page = Get(std::string(kWidgets) + "?limit=2");
  EXPECT_EQ(page["items"].size(), 2u);
  EXPECT_EQ(page["metadata"]["remainingItemCount"].AsInt(), 3);
  EXPECT_EQ(page["kind"].AsString(), "WidgetList");
  std::string version = page["metadata"]["resourceVersion"].AsString();
  Call("DELETE", At("d"));
  Widget("bb");
  std::vector<std::string> rest;
  std::string token = page["metadata"]["continue"].AsString();
  while (!token.empty()) {
    page = Get(std::string(kWidgets) + "?limit=2&continue=" + token);
    EXPECT_EQ(page["metadata"]["resourceVersion"].AsString(), version);
    for (const Json& item : page["items"].AsArray()) {
      rest.push_back(item["metadata"]["name"].AsString());
    }
    token = page["metadata"]["continue"].AsString();
  }
  EXPECT_THAT(rest, ::testing::ElementsAre("c", "d", "e"));
  EXPECT_EQ(Get(std::string(kWidgets) + "?labelSelector=x%3Dy")["items"].size(), 1u);
  EXPECT_EQ(Get(std::string(kWidgets) + "?fieldSelector=metadata.name%3Dbb")["items"].size(), 1u);
  EXPECT_EQ(Get("/apis/example.com/v1/widgets?labelSelector=x!%3Dy")["items"].size(), 4u);
  EXPECT_EQ(Get(std::string(kWidgets) + "?continue=nonsense").status, 400);
  EXPECT_EQ(Get(std::string(kWidgets) + "?resourceVersion=99999999").status, 504);
}

TEST_F(ApiTest, DeletesWithFinalizersAndPreconditions) {
  Json object = Post(kWidgets,
                     "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, "
                     "finalizers: [example.com/f]}\nspec: {model: iris}")
                    .body;
  EXPECT_EQ(Call("DELETE", At("a"), Yaml("preconditions: {uid: other}")).status, 409);
  Answer marked = Call("DELETE", At("a"));
  EXPECT_EQ(marked.status, 200);
  EXPECT_TRUE(marked["metadata"].Has("deletionTimestamp"));
  EXPECT_EQ(Get(At("a")).status, 200);
  EXPECT_EQ(Call("PATCH", At("a"), Yaml("{metadata: {finalizers: [example.com/f, example.com/g]}}"),
                 "application/merge-patch+json")
                .status,
            422);
  EXPECT_EQ(
      Call("PATCH", At("a"), Yaml("{metadata: {finalizers: null}}"), "application/merge-patch+json")
          .status,
      200);
  EXPECT_EQ(Get(At("a")).status, 404);
  Widget("b");
  Answer gone = Call("DELETE", At("b"));
  EXPECT_EQ(gone["status"].AsString(), "Success");
  Widget("c");
  Widget("d");
  EXPECT_EQ(Call("DELETE", kWidgets).status, 200);
  EXPECT_EQ(Get(kWidgets)["items"].size(), 0u);
}

TEST_F(ApiTest, PodsOfANodeWaitForTheKubelet) {
  Answer pod = Post(kPods,
                    "apiVersion: v1\nkind: Pod\nmetadata: {generateName: p-}\n"
                    "spec: {containers: [{name: c, image: img}]}");
  ASSERT_EQ(pod.status, 201) << pod.Message();
  EXPECT_EQ(pod["spec"]["restartPolicy"].AsString(), "Always");
  EXPECT_EQ(pod["spec"]["containers"][0]["imagePullPolicy"].AsString(), "Always");
  EXPECT_EQ(pod["status"]["phase"].AsString(), "Pending");
  std::string path = std::string(kPods) + "/" + pod["metadata"]["name"].AsString();
  Answer claimed =
      Call("PATCH", path, Yaml("{spec: {nodeName: n}}"), "application/strategic-merge-patch+json");
  ASSERT_EQ(claimed.status, 200) << claimed.Message();
  EXPECT_EQ(
      Call("PATCH", path, Yaml("{spec: {nodeName: m}}"), "application/strategic-merge-patch+json")
          .status,
      422);
  Answer ending = Call("DELETE", path);
  EXPECT_EQ(ending["metadata"]["deletionGracePeriodSeconds"].AsInt(), 30);
  EXPECT_EQ(Get(path).status, 200);
  EXPECT_EQ(Call("DELETE", path, Yaml("{gracePeriodSeconds: 0}")).status, 200);
  EXPECT_EQ(Get(path).status, 404);
}

TEST_F(ApiTest, BuiltInKindsAreDefaultedAndChecked) {
  Answer service = Post("/api/v1/namespaces/default/services",
                        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
                        "spec: {selector: {a: b}, ports: [{port: 80}]}");
  ASSERT_EQ(service.status, 201) << service.Message();
  EXPECT_THAT(service["spec"]["clusterIP"].AsString(), ::testing::StartsWith("10.213."));
  EXPECT_EQ(service["spec"]["ports"][0]["targetPort"].AsInt(), 80);
  Answer deployment =
      Post("/apis/apps/v1/namespaces/default/deployments",
           "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
           "spec:\n  selector: {matchLabels: {a: b}}\n  template:\n"
           "    metadata: {labels: {a: c}}\n    spec: {containers: [{name: c, image: i}]}");
  EXPECT_EQ(deployment.status, 422);
  EXPECT_EQ(deployment.Message(),
            "Deployment.apps \"d\" is invalid: spec.template.metadata.labels: Invalid value: "
            "{\"a\":\"c\"}: `selector` does not match template `labels`");
  Answer type = Post(kPods,
                     "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
                     "spec: {containers: [{name: c, image: i, ports: [{containerPort: '80'}]}]}");
  EXPECT_EQ(type.status, 400);
  EXPECT_THAT(type.Message(), HasSubstr("Pod in version \"v1\" cannot be handled as a Pod: json: "
                                        "cannot unmarshal string into Go struct field"));
  EXPECT_EQ(Post("/api/v1/namespaces/nowhere/configmaps",
                 "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}")
                .Message(),
            "namespaces \"nowhere\" not found");
}

TEST_F(ApiTest, ScaleSubresource) {
  Widget("a");
  Answer scale = Get(At("a", "/scale"));
  EXPECT_EQ(scale["kind"].AsString(), "Scale");
  EXPECT_EQ(scale["spec"]["replicas"].AsInt(), 1);
  Answer scaled = Call("PATCH", At("a", "/scale"), Yaml("{spec: {replicas: 6}}"),
                       "application/merge-patch+json");
  EXPECT_EQ(scaled["spec"]["replicas"].AsInt(), 6) << scaled.Message();
  EXPECT_EQ(Get(At("a"))["spec"]["replicas"].AsInt(), 6);
}

TEST_F(ApiTest, Tables) {
  Widget("a", "model: iris, replicas: 3");
  Call("PATCH", At("a", "/status"), Yaml("{status: {conditions: [{type: Ready, status: 'True'}]}}"),
       "application/merge-patch+json");
  Answer table = Call("GET", kWidgets, Json(), "",
                      "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
  ASSERT_EQ(table["kind"].AsString(), "Table");
  EXPECT_EQ(table["columnDefinitions"].size(), 4u);
  const Json& cells = table["rows"][0]["cells"];
  EXPECT_EQ(cells[0].AsString(), "a");
  EXPECT_EQ(cells[1].AsInt(), 3);
  EXPECT_EQ(cells[2].AsString(), "True");
  EXPECT_EQ(table["rows"][0]["object"]["kind"].AsString(), "PartialObjectMetadata");
}

TEST_F(ApiTest, DiscoveryAndOpenApi) {
  EXPECT_EQ(Get("/version")["minor"].AsString(), "33");
  EXPECT_EQ(Get("/api/v1")["kind"].AsString(), "APIResourceList");
  EXPECT_EQ(Get("/apis/example.com")["preferredVersion"]["version"].AsString(), "v1");
  EXPECT_EQ(Get("/apis/nothing.example").status, 404);
  Json v2 = Get("/openapi/v2").body;
  EXPECT_TRUE(v2["definitions"].Has("com.example.v1.Widget"));
  EXPECT_EQ(v2["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
              ["x-kubernetes-patch-merge-key"]
                  .AsString(),
            "name");
  EXPECT_TRUE(Get("/openapi/v3")["paths"].Has("apis/example.com/v1"));
  EXPECT_EQ(Get("/openapi/v3/apis/apps/v1")["openapi"].AsString(), "3.0.0");
  Answer groups = Call("GET", "/apis", Json(), "",
                       "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  EXPECT_EQ(groups["kind"].AsString(), "APIGroupDiscoveryList");
  Answer can = Post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{spec: {}}");
  EXPECT_TRUE(can["status"]["allowed"].AsBool());
  Answer me = Post("/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}");
  EXPECT_EQ(me.body.At({"status", "userInfo", "username"}).AsString(), "kinglet-admin");
  EXPECT_EQ(Post("/apis/authentication.k8s.io/v1/tokenreviews", "{spec: {token: x}}").status, 201);
  EXPECT_EQ(Post("/apis/authentication.k8s.io/v1/nothings", "{}").status, 404);
}

TEST_F(ApiTest, ListOptionsThatContradictEachOtherAreRefused) {
  Answer label = Get(std::string(kPods) + "?fieldSelector=spec.bogus%3Dx");
  EXPECT_EQ(label.status, 400);
  EXPECT_EQ(label.Message(), "field label not supported: spec.bogus");
  EXPECT_EQ(Get(std::string(kPods) + "?fieldSelector=status.phase%3DRunning").status, 200);
  EXPECT_EQ(Get("/api/v1/events?fieldSelector=involvedObject.name%3Dx,type%3DWarning").status, 200);
  Answer exact = Get(std::string(kPods) + "?resourceVersion=0&resourceVersionMatch=Exact");
  EXPECT_EQ(exact.status, 422);
  EXPECT_THAT(exact.Message(), HasSubstr("is forbidden for resourceVersion \"0\""));
  EXPECT_EQ(Get(std::string(kPods) + "?resourceVersionMatch=Exact").status, 422);
  EXPECT_EQ(Get(std::string(kPods) + "?sendInitialEvents=true").status, 422);
}

TEST_F(ApiTest, EveryNamespaceHasADefaultServiceAccount) {
  EXPECT_EQ(Get("/api/v1/namespaces/default/serviceaccounts/default").status, 200);
  ASSERT_EQ(Post("/api/v1/namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: team}}")
                .status,
            201);
  EXPECT_EQ(Get("/api/v1/namespaces/team/serviceaccounts/default").status, 200);
}

TEST_F(ApiTest, OpenApiDocumentsAreMadeOnceAndRevalidated) {
  auto get = [&](std::string_view tag) {
    http::Request request;
    request.method = "GET";
    request.target = "/openapi/v2";
    if (!tag.empty()) request.headers.Set("If-None-Match", tag);
    return server_->Do(request);
  };
  http::Response first = get("");
  ASSERT_EQ(first.status, 200);
  std::string tag(first.headers.Get("ETag"));
  ASSERT_FALSE(tag.empty());
  http::Response second = get(tag);
  EXPECT_EQ(second.status, 304);
  EXPECT_TRUE(second.body.empty());
  EXPECT_EQ(get("\"other\"").body, first.body);
  // Another set of kinds is another document.
  Json crd = Yaml(kWidgetCrd);
  crd.Path({"metadata", "name"}) = "cogs.example.com";
  crd.Path({"spec", "names"}) = Yaml("{plural: cogs, kind: Cog}");
  ASSERT_EQ(Call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).status,
            201);
  http::Response third = get(tag);
  EXPECT_EQ(third.status, 200);
  EXPECT_NE(third.headers.Get("ETag"), tag);
}

TEST_F(ApiTest, ServicesMadeAtTheSameTimeGetAddressesOfTheirOwn) {
  ApiServerOptions options;
  options.service_cidr = "10.9.0.0/27";  // few enough to meet often
  auto server = std::move(*ApiServer::Open(std::move(options)));
  std::vector<std::thread> threads;
  std::atomic<int> made{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 6; ++i) {
        http::Request request;
        request.method = "POST";
        request.target = "/api/v1/namespaces/default/services";
        request.headers.Set("Content-Type", "application/json");
        request.body = fmt::format(
            R"({{"apiVersion":"v1","kind":"Service","metadata":{{"name":"s-{}-{}"}},"spec":{{"ports":[{{"port":80}}]}}}})",
            t, i);
        if (server->Do(request).status == 201) ++made;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 24);
  http::Request list;
  list.method = "GET";
  list.target = "/api/v1/services";
  auto parsed = Json::Parse(server->Do(list).body);
  ASSERT_TRUE(parsed.has_value());
  std::set<std::string> addresses;
  for (const Json& item : (*parsed)["items"].AsArray()) {
    addresses.insert(item["spec"]["clusterIP"].AsString());
  }
  EXPECT_EQ(addresses.size(), (*parsed)["items"].size());
}

TEST_F(ApiTest, CrdsAreServedAsTheyComeAndGo) {
  Json crd = Yaml(kWidgetCrd);
  crd.Path({"metadata", "name"}) = "gears.example.com";
  crd.Path({"spec", "names"}) = Yaml("{plural: gears, kind: Gear}");
  std::string_view crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  Answer made = Call("POST", crds, crd);
  ASSERT_EQ(made.status, 201) << made.Message();
  EXPECT_EQ(made["status"]["conditions"][1]["type"].AsString(), "Established");
  EXPECT_EQ(Get("/apis/example.com/v1/gears").status, 200);
  EXPECT_EQ(Call("DELETE", std::string(crds) + "/gears.example.com").status, 200);
  EXPECT_EQ(Get("/apis/example.com/v1/gears").status, 404);
}

TEST_F(ApiTest, EventsHaveTwoForms) {
  Answer made = Post("/apis/events.k8s.io/v1/namespaces/default/events",
                     "apiVersion: events.k8s.io/v1\nkind: Event\nmetadata: {name: e}\n"
                     "eventTime: '2026-01-02T03:04:05.000000Z'\nnote: hello\nreason: R\n"
                     "regarding: {kind: Pod, name: p}\ntype: Normal\n");
  ASSERT_EQ(made.status, 201) << made.Message();
  Answer core = Get("/api/v1/namespaces/default/events/e");
  EXPECT_EQ(core["message"].AsString(), "hello");
  EXPECT_EQ(core["involvedObject"]["name"].AsString(), "p");
  EXPECT_EQ(Get("/apis/events.k8s.io/v1/namespaces/default/events/e")["note"].AsString(), "hello");
}

class AdmissionTest : public ApiTest {
 protected:
  void Configure(ApiServerOptions& options) override {
    options.admission = [](const AdmissionRequest& request) {
      AdmissionReview review;
      if (request.kind != "Widget") return review;
      review.warnings = {"careful"};
      if (request.object && (*request.object)["spec"]["model"].AsString() == "bad") {
        review.allowed = false;
        review.code = 403;
        review.message = "no bad models";
        review.webhook = "w.example.com";
        return review;
      }
      if (request.operation == "CREATE") {
        Json object = *request.object;
        object.Path({"metadata", "annotations", "seen"}) = "yes";
        review.object = object;
      }
      return review;
    };
  }
};

TEST_F(AdmissionTest, MutatesWarnsAndDenies) {
  Answer made = Widget("a");
  EXPECT_EQ(made["metadata"]["annotations"]["seen"].AsString(), "yes");
  EXPECT_EQ(made.headers.Get("Warning"), "299 - \"careful\"");
  Answer denied = Widget("b", "model: bad");
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.Message(),
            "admission webhook \"w.example.com\" denied the request: no bad models");
}

}  // namespace
}  // namespace kinglet::local::testing
