#include "test/fault/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/yaml.h"
#include "control/inferencegraph/controller.h"
#include "control/inferenceservice/controller.h"
#include "control/trainedmodel/controller.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::fault {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kNamespace = "ns";
// Long enough for retries with backoff; only a defect uses it up.
constexpr Duration kDeadline = 20s;
// Without any change for so long, nothing moves any more.
constexpr int kQuietRounds = 60;
constexpr Duration kRound = 2ms;

const kube::ResourceType* const kKinds[] = {
    &kube::kInferenceService, &kube::kDeployment,
    &kube::kService,          &kube::kHorizontalPodAutoscaler,
    &kube::kIngress,          &kube::kHttpRoute,
    &kube::kConfigMap,        &kube::kKnativeService,
    &kube::kVirtualService,   &kube::kScaledObject,
    &kube::kInferenceGraph,   &kube::kTrainedModel};

const kube::ResourceType& TypeOf(std::string_view kind) {
  for (const auto* type : kube::KnownResources()) {
    if (type->kind == kind) return *type;
  }
  ADD_FAILURE() << "no kind " << kind;
  return kube::kPod;
}

// What differs between two runs that ended the same: uids, versions, times.
void DropVolatile(Json& value) {
  if (value.IsArray()) {
    for (Json& item : value.MutableArray()) DropVolatile(item);
    return;
  }
  if (!value.IsObject()) return;
  for (auto field : {"uid", "resourceVersion", "generation", "observedGeneration", "managedFields",
                     "creationTimestamp", "lastTransitionTime", "lastUpdateTime", "time"}) {
    value.Erase(field);
  }
  for (auto& [key, member] : value.MutableObject()) DropVolatile(member);
}

Json Condition(std::string_view type, std::string_view reason) {
  return Json::MakeObject({{"type", type}, {"status", "True"}, {"reason", reason}});
}

// What Knative says of a Service: a revision for each template, and traffic as asked for.
Json KnativeStatus(const Json& service) {
  const Json& before = service["status"];
  const Json& revision = service["spec"]["template"];
  const bool is_new = before["template"] != revision;
  const int64_t number = before["number"].AsInt() + (is_new ? 1 : 0);
  const std::string name = fmt::format("{}-{:05}", kube::Name(service), number);
  Json traffic = service["spec"]["traffic"];
  for (Json& target : traffic.MutableArray()) {
    if (target["latestRevision"].AsBool()) target.Set("revisionName", name);
  }
  return Json::MakeObject(
      {{"observedGeneration", service["metadata"]["generation"]},
       {"template", revision},
       {"number", number},
       {"latestCreatedRevisionName", name},
       {"latestReadyRevisionName", name},
       {"traffic", std::move(traffic)},
       {"url", fmt::format("http://{}.ns.example.com", kube::Name(service))},
       {"conditions", Json::MakeArray({Condition("Ready", ""), Condition("RoutesReady", ""),
                                       Condition("ConfigurationsReady", "")})}});
}

}  // namespace

World::World(std::string_view base) : client_(std::make_unique<FaultyClient>(server_)) {
  auto objects = ParseYaml(base);
  EXPECT_TRUE(objects) << objects.error().message();
  for (const Json& object : objects->AsArray()) Apply(object);
}

World::~World() { Stop(); }

void World::Start() {
  using control::InferenceGraphController, control::InferenceServiceController,
      control::TrainedModelController;
  stop_ = std::stop_source();
  controllers_.push_back(std::make_unique<InferenceServiceController>(
      *client_, InferenceServiceController::Options{.workers = 2}));
  controllers_.push_back(
      std::make_unique<InferenceGraphController>(*client_, InferenceGraphController::Options()));
  controllers_.push_back(
      std::make_unique<TrainedModelController>(*client_, TrainedModelController::Options()));
  for (auto& controller : controllers_) controller->Start(stop_.get_token());
}

void World::Stop() {
  stop_.request_stop();
  for (auto& controller : controllers_) controller->Join();
  controllers_.clear();
}

void World::Apply(const Json& object) {
  const auto& type = TypeOf(kube::Kind(object));
  auto created = server_.Create(type, object);
  if (created) return;
  ASSERT_EQ(created.error().code(), Code::kAlreadyExists) << created.error().message();
  auto patched = server_.Patch(type, kube::KeyOf(object), kube::PatchType::kMerge, object);
  ASSERT_TRUE(patched) << patched.error().message();
}

void World::Delete(std::string_view kind, const std::string& name) {
  auto deleted = server_.Delete(TypeOf(kind), {.ns = std::string(kNamespace), .name = name});
  ASSERT_TRUE(deleted) << deleted.error().message();
}

void World::PlayNeighbours() {
  CollectGarbage();
  auto deployments = server_.ListAll(kube::kDeployment, kNamespace);
  for (Json deployment : *deployments) {
    const Json& generation = deployment["metadata"]["generation"];
    if (deployment["status"]["observedGeneration"] == generation) continue;
    deployment.Set("status",
                   Json::MakeObject(
                       {{"observedGeneration", generation},
                        {"availableReplicas", 1},
                        {"conditions",
                         Json::MakeArray({Condition("Available", "MinimumReplicasAvailable")})}}));
    (void)server_.UpdateStatus(kube::kDeployment, deployment);
  }
  auto services = server_.ListAll(kube::kKnativeService, kNamespace);
  for (Json service : *services) {
    const Json& generation = service["metadata"]["generation"];
    if (service["status"]["observedGeneration"] == generation) continue;
    service.Set("status", KnativeStatus(service));
    (void)server_.UpdateStatus(kube::kKnativeService, service);
  }
  auto routes = server_.ListAll(kube::kHttpRoute, kNamespace);
  for (Json route : *routes) {
    if (route["status"].IsObject()) continue;
    route.Set(
        "status",
        Json::MakeObject(
            {{"parents",
              Json::MakeArray({Json::MakeObject(
                  {{"controllerName", "a.b/c"},
                   {"conditions", Json::MakeArray({Condition("Accepted", "Accepted")})}})})}}));
    (void)server_.UpdateStatus(kube::kHttpRoute, route);
  }
}

void World::CollectGarbage() {
  std::set<std::string> uids;
  for (const auto* type : kKinds) {
    auto objects = server_.ListAll(*type, kNamespace);
    for (const Json& object : *objects) uids.insert(kube::Uid(object));
  }
  for (const auto* type : kKinds) {
    auto objects = server_.ListAll(*type, kNamespace);
    for (const Json& object : *objects) {
      const Json& owners = object["metadata"]["ownerReferences"];
      if (owners.empty() || uids.contains(owners[0]["uid"].AsString())) continue;
      (void)server_.Delete(*type, kube::KeyOf(object));
    }
  }
}

std::string World::Version() {
  auto list = server_.List(kube::kPod, kNamespace);
  return (*list)["metadata"]["resourceVersion"].AsString();
}

std::string World::Snapshot() {
  std::string out;
  for (const auto* type : kKinds) {
    auto objects = server_.ListAll(*type, kNamespace);
    for (Json& object : *objects) {
      DropVolatile(object);
      out += object.DumpPretty() + "\n";
    }
  }
  return out;
}

std::string World::Settle(const std::string& wanted) {
  const Deadline deadline = Deadline::After(kDeadline);
  std::string version, last;
  int quiet = 0;
  while (!deadline.Expired()) {
    if (client_->crashed()) {
      Stop();
      dead_clients_.push_back(std::move(client_));
      client_ = std::make_unique<FaultyClient>(server_);
      Start();
    }
    std::string now = Version();
    bool moved =
        now != version || !std::ranges::all_of(controllers_, [](auto& one) { return one->Idle(); });
    quiet = moved ? 0 : quiet + 1;
    if (now != version) {
      PlayNeighbours();
      last = Snapshot();
      version = std::move(now);
    }
    if (!wanted.empty() && last == wanted && quiet > 1) return last;
    if (wanted.empty() && quiet > kQuietRounds) return last;
    std::this_thread::sleep_for(kRound);
  }
  return last;
}

}  // namespace kinglet::fault
