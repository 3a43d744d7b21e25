// Informers, controllers, events, leader election and apply over the in-memory API server.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/yaml.h"
#include "kube/apply.h"
#include "kube/controller.h"
#include "kube/discovery.h"
#include "kube/events.h"
#include "kube/fake_client.h"
#include "kube/informer.h"
#include "kube/leader.h"
#include "kube/rate_limiter.h"

namespace kinglet::kube {
namespace {

Json MakeConfigMap(std::string name, std::string value = "1") {
  Json object = MakeObjectMeta("v1", "ConfigMap", {"n", std::move(name)});
  object.Path({"data"}).Set("k", value);
  return object;
}

// Waits for a condition that other threads bring about.
bool Eventually(const std::function<bool()>& condition) {
  Deadline deadline = Deadline::After(20s);
  while (!deadline.Expired()) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(FakeClient, KeepsTheApiConventions) {
  FakeClient client;
  Json pod = MakeObjectMeta("v1", "Pod", {"n", "p"});
  pod.Path({"spec"}).Set("a", 1);
  pod.Path({"status"}).Set("phase", "Running");
  Json created = *client.Create(kPod, pod);
  EXPECT_FALSE(created.Has("status"));
  EXPECT_EQ(client.Create(kPod, pod).error().code(), Code::kAlreadyExists);
  created.Path({"status"}).Set("phase", "Running");
  Json with_status = *client.UpdateStatus(kPod, created);
  EXPECT_EQ(Generation(with_status), 1);
  created.Path({"spec"}).Set("a", 2);
  EXPECT_EQ(client.Update(kPod, created).error().code(), Code::kAborted);
  with_status.Path({"spec"}).Set("a", 2);
  EXPECT_EQ(Generation(*client.Update(kPod, with_status, {.dry_run = true})), 2);
  EXPECT_EQ(Generation(*client.Get(kPod, {"n", "p"})), 1);
  Json patched = *client.Patch(kPod, {"n", "p"}, PatchType::kMerge,
                               *ParseYaml("{metadata: {finalizers: [f]}, spec: {a: 3}}"));
  EXPECT_EQ(Generation(patched), 2);
  EXPECT_EQ(patched.At({"status", "phase"}).AsString(), "Running");
  ASSERT_TRUE(client.Delete(kPod, {"n", "p"}));
  Json deleting = *client.Get(kPod, {"n", "p"});
  EXPECT_TRUE(IsDeleting(deleting));
  ASSERT_TRUE(DropFinalizer(client, kPod, deleting, "f"));
  EXPECT_EQ(client.Get(kPod, {"n", "p"}).error().code(), Code::kNotFound);
  EXPECT_EQ(client.Delete(kPod, {"n", "p"}).error().message(), "pods \"p\" not found");
  EXPECT_TRUE(client.DeleteIfExists(kPod, {"n", "p"}));
}

TEST(FakeClient, PagesAndCollects) {
  FakeClient client;
  Json owner = *client.Create(kConfigMap, MakeConfigMap("owner"));
  for (int i = 0; i < 5; ++i) {
    Json child = MakeConfigMap("child" + std::to_string(i));
    SetLabel(child, "kind", "child");
    ASSERT_TRUE(SetControllerReference(child, owner));
    ASSERT_TRUE(client.Create(kConfigMap, child));
  }
  EXPECT_EQ(client.ListAll(kConfigMap, "n", {.limit = 2})->size(), 6u);
  EXPECT_EQ(client.ListAll(kConfigMap, "", {.label_selector = "kind=child", .limit = 2})->size(),
            5u);
  EXPECT_EQ(client.ListAll(kConfigMap, "m")->size(), 0u);
  ASSERT_TRUE(client.Delete(kConfigMap, {"n", "owner"}));
  EXPECT_EQ(client.ListAll(kConfigMap, "n")->size(), 0u);
}

TEST(Informer, FollowsTheCollection) {
  FakeClient client;
  ASSERT_TRUE(client.Create(kConfigMap, MakeConfigMap("a")));
  std::stop_source stop;
  Informer informer(client, kConfigMap, {.backoff = 1ms});
  std::atomic<int> added{0}, initial{0}, updated{0}, deleted{0};
  informer.AddIndex("value",
                    [](const Json& object) { return std::vector{object["data"]["k"].AsString()}; });
  informer.AddHandler({.on_add =
                           [&](const ObjectPtr&, bool first) {
                             ++added;
                             initial += first;
                           },
                       .on_update = [&](const ObjectPtr&, const ObjectPtr&) { ++updated; },
                       .on_delete = [&](const ObjectPtr&) { ++deleted; }});
  informer.Start(stop.get_token());
  ASSERT_TRUE(informer.WaitForSync(Deadline::After(20s)));
  EXPECT_EQ(initial, 1);
  ASSERT_TRUE(client.Create(kConfigMap, MakeConfigMap("b", "2")));
  ASSERT_TRUE(Eventually([&] { return added == 2; }));
  ASSERT_TRUE(client.Update(kConfigMap, MakeConfigMap("b", "3")));
  ASSERT_TRUE(Eventually([&] { return updated == 1; }));
  EXPECT_EQ(informer.ByIndex("value", "2").size(), 0u);
  EXPECT_EQ(informer.ByIndex("value", "3").size(), 1u);
  // Broken watches and forgotten history lose nothing and tell nothing twice.
  client.BreakWatches();
  client.Compact();
  ASSERT_TRUE(client.Delete(kConfigMap, {"n", "a"}));
  ASSERT_TRUE(Eventually([&] { return deleted == 1; }));
  client.BreakWatches();
  ASSERT_TRUE(client.Create(kConfigMap, MakeConfigMap("c")));
  ASSERT_TRUE(Eventually([&] { return added == 3; }));
  EXPECT_EQ(updated, 1);
  EXPECT_EQ(informer.List("n").size(), 2u);
  EXPECT_EQ(informer.List("m").size(), 0u);
  EXPECT_EQ(informer.Get({"n", "a"}), nullptr);
  std::atomic<int> late{0};
  informer.AddHandler({.on_add = [&](const ObjectPtr&, bool) { ++late; }});
  EXPECT_EQ(late, 2);
}

// What the transform makes null is not there, whenever that comes to be.
TEST(Informer, LeavesOutWhatIsNotWanted) {
  FakeClient client;
  Json mine = MakeConfigMap("mine");
  SetLabel(mine, "keep", "yes");
  ASSERT_TRUE(client.Create(kConfigMap, MakeConfigMap("other")));
  mine = *client.Create(kConfigMap, mine);
  Informer informer(client, kConfigMap, {.transform = [](Json& object) {
                      if (Label(object, "keep").empty()) object = Json();
                    }});
  std::atomic<int> added = 0, gone = 0;
  informer.AddHandler({.on_add = [&](const ObjectPtr&, bool) { ++added; },
                       .on_delete = [&](const ObjectPtr&) { ++gone; }});
  std::stop_source stop;
  informer.Start(stop.get_token());
  ASSERT_TRUE(informer.WaitForSync(Deadline::After(20s)));
  EXPECT_EQ(informer.size(), 1u);
  EXPECT_EQ(informer.Get({"n", "other"}), nullptr);
  mine.Path({"metadata", "labels"}).Erase("keep");
  ASSERT_TRUE(client.Update(kConfigMap, mine));
  EXPECT_TRUE(Eventually([&] { return gone == 1; }));
  Json other = *client.Get(kConfigMap, {"n", "other"});
  SetLabel(other, "keep", "yes");
  ASSERT_TRUE(client.Update(kConfigMap, other));
  EXPECT_TRUE(Eventually([&] { return added == 2; }));
  ASSERT_TRUE(client.Delete(kConfigMap, {"n", "other"}));
  EXPECT_TRUE(Eventually([&] { return gone == 2; }));
  EXPECT_EQ(informer.size(), 0u);
}

TEST(Informer, TreatsAMissingKindAsEmpty) {
  FakeClient client;
  client.Serve({kPod});
  std::stop_source stop;
  InformerFactory factory(client);
  Informer& informer = factory.For(kConfigMap);
  EXPECT_EQ(&informer, &factory.For(kConfigMap));
  EXPECT_NE(&informer, &factory.For(kConfigMap, {.ns = "n"}));
  factory.Start(stop.get_token());
  EXPECT_TRUE(factory.WaitForSync(Deadline::After(20s)));
  EXPECT_EQ(informer.size(), 0u);
  stop.request_stop();
}

TEST(Controller, ReconcilesUntilItWorks) {
  FakeClient client;
  MetricsRegistry metrics;
  std::stop_source stop;
  InformerFactory factory(client);
  std::atomic<int> calls{0};
  Controller controller({.name = "test", .workers = 2, .metrics = &metrics},
                        [&](const ObjectKey& key, std::stop_token) -> Result<ReconcileResult> {
                          EXPECT_EQ(key, (ObjectKey{"n", "a"}));
                          int call = ++calls;
                          if (call == 1) return Fail(Code::kUnavailable, "not yet");
                          if (call == 2) throw std::runtime_error("a defect");
                          if (call == 3) return ReconcileResult::After(1ms);
                          if (call == 4)
                            return ReconcileResult::Terminal(Error(Code::kInternal, "never"));
                          return ReconcileResult::Done();
                        });
  controller.Watch(factory.For(kConfigMap));
  controller.WatchOwned(factory.For(kPod), kConfigMap);
  factory.Start(stop.get_token());
  controller.Start(stop.get_token());
  Json owner = *client.Create(kConfigMap, MakeConfigMap("a"));
  ASSERT_TRUE(Eventually([&] { return calls == 4 && controller.Idle(); }));
  Json pod = MakeObjectMeta("v1", "Pod", {"n", "p"});
  ASSERT_TRUE(SetControllerReference(pod, owner));
  ASSERT_TRUE(client.Create(kPod, pod));
  ASSERT_TRUE(Eventually([&] { return calls == 5 && controller.Idle(); }));
  stop.request_stop();
  controller.Join();
  std::string text = metrics.Expose();
  auto has = [&](const char* line) { return text.find(line) != std::string::npos; };
  EXPECT_TRUE(has("controller_runtime_reconcile_total{controller=\"test\",result=\"error\"} 3"));
  EXPECT_TRUE(has("controller_runtime_reconcile_total{controller=\"test\",result=\"success\"} 1"));
  EXPECT_TRUE(has("controller_runtime_reconcile_panics_total{controller=\"test\"} 1"));
  EXPECT_TRUE(has("controller_runtime_terminal_reconcile_errors_total{controller=\"test\"} 1"));
}

TEST(Events, CountsRepetitionsAndCutsFloods) {
  FakeClient client;
  FakeClock clock;
  auto recorder = MakeEventRecorder(client, "comp", clock);
  Json object = *client.Create(kConfigMap, MakeConfigMap("a"));
  for (int i = 0; i < 3; ++i) recorder->Warning(object, "Failed", "the same");
  ASSERT_TRUE(recorder->Flush(Deadline::After(20s)));
  auto events = *client.ListAll(kEvent, "n");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["count"].AsInt(), 3);
  EXPECT_EQ(events[0].At({"involvedObject", "uid"}).AsString(), Uid(object));
  EXPECT_EQ(events[0].At({"source", "component"}).AsString(), "comp");
  for (int i = 0; i < 100; ++i) recorder->Normal(object, "Many", "message " + std::to_string(i));
  ASSERT_TRUE(recorder->Flush(Deadline::After(20s)));
  // One for "the same", ten messages, one that combines the others; 25 writes in all.
  EXPECT_EQ(client.ListAll(kEvent, "n")->size(), 12u);
  int writes = 0;
  for (const auto& call : client.calls()) writes += call.type == kEvent && call.verb != "list";
  EXPECT_EQ(writes, 25);
}

TEST(Leader, OneLeadsAndHandsOver) {
  FakeClient client;
  std::atomic<int> leading{0}, most{0};
  auto options = [](std::string identity) {
    return LeaderOptions{.lease = {"n", "lock"},
                         .identity = std::move(identity),
                         .lease_duration = 2s,
                         .renew_deadline = 1s,
                         .retry_period = 2ms};
  };
  auto lead = [&](std::stop_token stop) {
    most = std::max(most.load(), ++leading);
    SleepFor(1h, stop);
    --leading;
  };
  std::stop_source stop_a, stop_b;
  std::thread a([&] { EXPECT_TRUE(RunAsLeader(client, options("a"), lead, stop_a.get_token())); });
  ASSERT_TRUE(Eventually([&] { return leading == 1; }));
  std::thread b([&] { EXPECT_TRUE(RunAsLeader(client, options("b"), lead, stop_b.get_token())); });
  stop_a.request_stop();
  a.join();
  ASSERT_TRUE(Eventually([&] { return leading == 1; }));
  Json lease = *client.Get(kLease, {"n", "lock"});
  EXPECT_EQ(lease.At({"spec", "holderIdentity"}).AsString(), "b");
  EXPECT_EQ(lease.At({"spec", "leaseTransitions"}).AsInt(), 1);
  stop_b.request_stop();
  b.join();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(client.Get(kLease, {"n", "lock"})->At({"spec", "holderIdentity"}).AsString(), "");
}

TEST(Leader, StopsLeadingWhenTheLeaseIsLost) {
  FakeClient client;
  LeaderOptions options{.lease = {"n", "lock"},
                        .identity = "a",
                        .lease_duration = 2s,
                        .renew_deadline = 1s,
                        .retry_period = 1ms};
  Status ended =
      RunAsLeader(client, options,
                  [&](std::stop_token stop) {
                    ASSERT_TRUE(UpdateWithRetry(client, kLease, {"n", "lock"}, [](Json& lease) {
                      lease.Path({"spec"}).Set("holderIdentity", "thief");
                      return true;
                    }));
                    SleepFor(1h, stop);
                  },
                  {});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), Code::kAborted);
}

TEST(Apply, WritesOnlyWhatChanges) {
  FakeClient client;
  Json desired = MakeConfigMap("a");
  EXPECT_EQ(CreateOrUpdate(client, kConfigMap, desired)->what, Applied::kCreated);
  EXPECT_EQ(CreateOrUpdate(client, kConfigMap, desired)->what, Applied::kUnchanged);
  Json foreign = *client.Get(kConfigMap, {"n", "a"});
  SetLabel(foreign, "theirs", "1");
  ASSERT_TRUE(client.Update(kConfigMap, foreign));
  EXPECT_EQ(CreateOrUpdate(client, kConfigMap, desired)->what, Applied::kUnchanged);
  desired.Path({"data"}).Set("k", "2");
  // A conflict in between is tried again.
  std::atomic<int> conflicts{2};
  client.OnCall([&](const FakeClient::Call& call) -> Status {
    if (call.verb == "update" && !call.dry_run && conflicts-- > 0) {
      return Fail(Code::kAborted, "conflict");
    }
    return {};
  });
  auto outcome = CreateOrUpdate(client, kConfigMap, desired);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->what, Applied::kUpdated);
  EXPECT_EQ(outcome->diff.Dump(), R"([{"op":"replace","path":"/data/k","value":"2"}])");
  EXPECT_EQ(Label(outcome->object, "theirs"), "1");
  // A cache saves the read; a stale one is found out and costs nothing but calls.
  std::map<std::string, int> calls;
  client.OnCall([&](const FakeClient::Call& call) -> Status {
    ++calls[call.verb];
    return {};
  });
  const Json current = outcome->object;
  EXPECT_EQ(CreateOrUpdate(client, kConfigMap, desired, {.cached = current})->what,
            Applied::kUnchanged);
  EXPECT_EQ(calls["get"], 0);
  EXPECT_EQ(CreateOrUpdate(client, kConfigMap, desired, {.cached = Json()})->what,
            Applied::kUnchanged);
  EXPECT_EQ(calls["get"], 1);
  Json stale = *client.Get(kConfigMap, {"n", "a"});
  SetLabel(stale, "theirs", "2");
  ASSERT_TRUE(client.Update(kConfigMap, stale));
  desired.Path({"data"}).Set("k", "3");
  auto late = CreateOrUpdate(client, kConfigMap, desired, {.cached = current});
  ASSERT_TRUE(late);
  EXPECT_EQ(late->object["data"]["k"].AsString(), "3");
  EXPECT_EQ(Label(late->object, "theirs"), "2");
  Json other = desired;
  other.Ref("metadata").Set("name", "b");
  calls.clear();
  EXPECT_EQ(CreateOrUpdate(client, kConfigMap, other, {.cached = Json()})->what, Applied::kCreated);
  EXPECT_EQ(calls["get"], 0);
  client.OnCall({});
  Json owner = MakeObjectMeta("v1", "ConfigMap", {"n", "owner"});
  owner.Ref("metadata").Set("uid", "u");
  ASSERT_TRUE(SetControllerReference(desired, owner));
  EXPECT_TRUE(CreateOrUpdate(client, kConfigMap, desired, {.check_controller = true}));
  // An owner that was made anew takes its predecessor's children where it changes them; another
  // owner does not.
  owner.Ref("metadata").Set("uid", "v");
  desired.Ref("metadata").Erase("ownerReferences");
  ASSERT_TRUE(SetControllerReference(desired, owner));
  auto same = CreateOrUpdate(client, kConfigMap, desired, {.check_controller = true});
  ASSERT_TRUE(same);
  EXPECT_EQ(same->what, Applied::kUnchanged);
  desired.Path({"data"}).Set("k", "4");
  auto taken = CreateOrUpdate(client, kConfigMap, desired, {.check_controller = true});
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->object["metadata"]["ownerReferences"], desired["metadata"]["ownerReferences"]);
  owner.Ref("metadata").Set("uid", "w");
  owner.Ref("metadata").Set("name", "stranger");
  desired.Ref("metadata").Erase("ownerReferences");
  ASSERT_TRUE(SetControllerReference(desired, owner));
  auto refused = CreateOrUpdate(client, kConfigMap, desired, {.check_controller = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kAlreadyExists);
  // One that nothing controls is taken over unless the caller says no.
  ASSERT_TRUE(client.Create(kConfigMap, MakeObjectMeta("v1", "ConfigMap", {"n", "free"})));
  desired.Ref("metadata").Set("name", "free");
  refused =
      CreateOrUpdate(client, kConfigMap, desired,
                     {.check_controller = true, .may_adopt = [](const Json&) { return false; }});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kAlreadyExists);
  EXPECT_TRUE(CreateOrUpdate(client, kConfigMap, desired, {.check_controller = true}));
}

TEST(Discovery, AsksAgainForWhatIsMissing) {
  FakeClient client;
  FakeClock clock;
  client.Serve({kPod});
  Discovery discovery(client, clock);
  EXPECT_TRUE(*discovery.Supports(kPod));
  EXPECT_FALSE(*discovery.Supports(kKnativeService));
  client.Serve({kPod, kKnativeService, kInferenceService});
  EXPECT_FALSE(*discovery.Supports(kKnativeService));
  clock.Advance(31s);
  EXPECT_TRUE(*discovery.Supports(kKnativeService));
  EXPECT_EQ(*discovery.ForName("InferenceServices"), kInferenceService);
  EXPECT_EQ(*discovery.ForName("services.serving.knative.dev"), kKnativeService);
  EXPECT_EQ(discovery.ForName("frobs").error().code(), Code::kNotFound);
  EXPECT_EQ(discovery.ForKind("v1", "Frob").error().code(), Code::kNotFound);
}

TEST(RateLimiter, SpreadsCalls) {
  RateLimiter limiter(10, 3);
  SteadyTime now{std::chrono::hours(1)};
  for (int i = 0; i < 3; ++i) EXPECT_LE(limiter.Take(now), 0ns);
  EXPECT_EQ(limiter.Take(now), 100ms);
  EXPECT_EQ(limiter.Take(now), 200ms);
  EXPECT_LE(limiter.Take(now + 1s), 0ns);
}

}  // namespace
}  // namespace kinglet::kube
