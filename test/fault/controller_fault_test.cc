// For every call that the controllers make: fail it, refuse it as a conflict, lose its answer, or
// kill them right after it; and let watch events of every kind come late, twice, or not until the
// next list. The objects end as they do without the fault.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/yaml.h"
#include "test/fault/scenarios.h"
#include "test/fault/world.h"

namespace kinglet::fault {
namespace {

// Worlds wait more than they reckon (for backoff, for quiet), so several are played at once.
constexpr int kWorldsAtOnce = 8;

// Plays the steps; returns the objects after each. `wanted` of a run without faults is empty.
std::vector<std::string> Play(World& world, const Scenario& scenario,
                              const std::vector<std::string>& wanted) {
  std::vector<std::string> ends;
  world.Start();
  for (size_t i = 0; i < scenario.steps.size(); ++i) {
    const Step& step = scenario.steps[i];
    if (!step.apply.empty()) {
      const Json objects = *ParseYaml(step.apply);
      for (const Json& object : objects.AsArray()) world.Apply(object);
    }
    for (const std::string& object : step.remove) {
      const size_t slash = object.find('/');
      world.Delete(object.substr(0, slash), object.substr(slash + 1));
    }
    ends.push_back(world.Settle(wanted.empty() ? "" : wanted[i]));
  }
  return ends;
}

// Calls `play` with every number below `count`, from several threads.
void ForEach(size_t count, const std::function<void(size_t)>& play) {
  std::atomic<size_t> next = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kWorldsAtOnce; ++i) {
    threads.emplace_back([&] {
      while (!testing::Test::HasFatalFailure()) {
        const size_t number = next++;
        if (number >= count) return;
        play(number);
      }
    });
  }
}

class ControllerFault : public testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override {
    ConfigureLog(LogLevel::kError, LogFormat::kText);
    World world(GetParam().base);
    wanted_ = Play(world, GetParam(), {});
    ASSERT_NE(wanted_[0].find(GetParam().proof), std::string::npos) << wanted_[0];
    ASSERT_EQ(wanted_.back(), "");
  }
  void TearDown() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }

  void ExpectTheSame(const std::vector<std::string>& ends, const std::string& fault) const {
    for (size_t i = 0; i < ends.size(); ++i) {
      ASSERT_EQ(ends[i], wanted_[i]) << fault << ", after step " << i + 1;
    }
  }

  // Which calls are made depends a little on how events meet: every place that some of several
  // worlds without a fault reached, with the number of worlds that did.
  std::map<Place, int> FindPlaces() const {
    std::mutex mutex;
    std::map<Place, int> reached;
    ForEach(kWorldsAtOnce, [&](size_t) {
      World world(GetParam().base);
      ExpectTheSame(Play(world, GetParam(), wanted_), "no fault");
      const std::lock_guard lock(mutex);
      for (const Place& place : world.faults().places()) ++reached[place];
    });
    return reached;
  }

  std::vector<std::string> wanted_;
};

TEST_P(ControllerFault, EndsTheSameWhicheverCallFails) {
  constexpr Fault kFaults[] = {Fault::kRefuse, Fault::kConflict, Fault::kLoseReply, Fault::kCrash};
  const auto reached = FindPlaces();
  const std::vector<std::pair<Place, int>> places(reached.begin(), reached.end());
  std::atomic<size_t> fired = 0, certain = 0, certain_fired = 0;
  ForEach(places.size() * std::size(kFaults), [&](size_t number) {
    const auto& [place, worlds] = places[number / std::size(kFaults)];
    const Fault fault = kFaults[number % std::size(kFaults)];
    World world(GetParam().base);
    FaultyClient& client = world.faults();
    client.Arm(place, fault);
    ExpectTheSame(Play(world, GetParam(), wanted_),
                  fmt::format("{}: {}", place.ToString(), FaultText(fault)));
    fired += client.fired();
    if (worlds < kWorldsAtOnce) return;
    ++certain;
    certain_fired += client.fired();
  });
  std::printf("%s: %zu places, %zu faults; %zu of %zu at places that every world reaches\n",
              GetParam().name.c_str(), places.size(), fired.load(), certain_fired.load(),
              certain.load());
  EXPECT_GT(certain, 10 * std::size(kFaults));
  EXPECT_GT(certain_fired, certain * 3 / 4);
}

TEST_P(ControllerFault, EndsTheSameHoweverEventsArrive) {
  constexpr std::string_view kKinds[] = {
      "InferenceService", "Deployment",     "Service",        "HorizontalPodAutoscaler",
      "Ingress",          "HTTPRoute",      "VirtualService", "ClusterServingRuntime",
      "ConfigMap",        "InferenceGraph", "TrainedModel",   "ScaledObject"};
  constexpr Delivery kDeliveries[] = {Delivery::kTwice, Delivery::kLate, Delivery::kMissed};
  ForEach(std::size(kKinds) * std::size(kDeliveries), [&](size_t number) {
    const std::string_view kind = kKinds[number / std::size(kDeliveries)];
    const Delivery delivery = kDeliveries[number % std::size(kDeliveries)];
    World world(GetParam().base);
    world.faults().Deliver(std::string(kind), delivery);
    ExpectTheSame(Play(world, GetParam(), wanted_),
                  fmt::format("{} events {}", kind, DeliveryText(delivery)));
  });
}

INSTANTIATE_TEST_SUITE_P(All, ControllerFault, testing::ValuesIn(Scenarios()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace kinglet::fault
