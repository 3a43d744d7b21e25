#include "local/kubelet/probes.h"

#include <gtest/gtest.h>

#include "local/kubelet/container_runner.h"
#include "local/kubelet/dial.h"

namespace kinglet::kubelet {
namespace {

using Verdict = ProbeSchedule::Verdict;

TEST(ParseProbe, ReadsNamedPortsAndDefaults) {
  Json container =
      *Json::Parse(R"({"name": "c", "ports": [{"name": "http", "containerPort": 8081}]})");
  auto probe =
      ParseProbe(*Json::Parse(R"({"httpGet": {"port": "http", "path": "ready"}})"), container);
  ASSERT_TRUE(probe.has_value());
  EXPECT_EQ(probe->action.port, 8081);
  EXPECT_EQ(probe->action.path, "/ready");
  EXPECT_EQ(probe->period, 10s);
  EXPECT_EQ(probe->failure_threshold, 3);
  EXPECT_EQ(ParseProbe(*Json::Parse(R"({"grpc": {"port": 1}})"), container).error().code(),
            Code::kUnimplemented);
  EXPECT_FALSE(
      ParseProbe(*Json::Parse(R"({"tcpSocket": {"port": 70000}})"), container).has_value());
}

TEST(HttpGetStatus, APathDoesNotEndTheLineOfTheRequest) {
  for (const char* path : {"/ HTTP/1.1\r\nX: y", "/a b", "/\n", "/\x7f"}) {
    const Action action{.type = Action::Type::kHttp, .path = path};
    auto status = HttpGetStatus(-1, "h", action, Deadline::After(std::chrono::seconds(1)), {});
    ASSERT_FALSE(status.has_value()) << path;
    EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  }
}

TEST(ProbeSchedule, AsksOftenUntilTheFirstSuccessThenByPeriod) {
  FakeClock clock;
  ProbeSpec spec;
  spec.initial_delay = 1s;
  ProbeSchedule schedule(spec, ProbeKind::kReadiness, clock.Now());
  EXPECT_EQ(schedule.next(), clock.Now() + 1s);
  clock.Advance(1s);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(schedule.Record(false, clock.Now()), Verdict::kNone);
    EXPECT_EQ(schedule.next(), clock.Now() + 20ms);
    clock.Advance(20ms);
  }
  EXPECT_EQ(schedule.Record(true, clock.Now()), Verdict::kHealthy);
  EXPECT_EQ(schedule.next(), clock.Now() + 10s);
  clock.Advance(10s);
  EXPECT_EQ(schedule.Record(true, clock.Now()), Verdict::kNone);
  // Three failures in a row, one a period.
  EXPECT_EQ(schedule.Record(false, clock.Now()), Verdict::kNone);
  clock.Advance(10s);
  EXPECT_EQ(schedule.Record(false, clock.Now()), Verdict::kNone);
  clock.Advance(10s);
  EXPECT_EQ(schedule.Record(false, clock.Now()), Verdict::kUnhealthy);
  EXPECT_EQ(schedule.Record(false, clock.Now()), Verdict::kNone);
  EXPECT_EQ(schedule.Record(true, clock.Now()), Verdict::kHealthy);
}

TEST(ProbeSchedule, StartupFailuresCountOncePerPeriod) {
  FakeClock clock;
  ProbeSpec spec;
  spec.period = 1s;
  spec.failure_threshold = 2;
  ProbeSchedule schedule(spec, ProbeKind::kStartup, clock.Now());
  SteadyTime begin = clock.Now();
  Verdict verdict = Verdict::kNone;
  while (verdict == Verdict::kNone && clock.Now() - begin < 10s) {
    verdict = schedule.Record(false, clock.Now());
    clock.Advance(schedule.next() - clock.Now());
  }
  EXPECT_EQ(verdict, Verdict::kUnhealthy);
  EXPECT_GE(clock.Now() - begin, 2s);
  EXPECT_LT(clock.Now() - begin, 3s);
}

TEST(ProbeSchedule, LivenessIsNeverEager) {
  FakeClock clock;
  ProbeSpec spec;
  spec.failure_threshold = 1;
  ProbeSchedule schedule(spec, ProbeKind::kLiveness, clock.Now());
  EXPECT_EQ(schedule.Record(false, clock.Now()), Verdict::kUnhealthy);
  EXPECT_EQ(schedule.next(), clock.Now() + 10s);
}

TEST(RestartBackoff, FirstAtOnceThenDoubling) {
  RestartBackoff backoff;
  EXPECT_EQ(backoff.Next(1s), 0s);
  EXPECT_EQ(backoff.Next(1s), 10s);
  EXPECT_EQ(backoff.Next(1s), 20s);
  for (int i = 0; i < 10; ++i) backoff.Next(1s);
  EXPECT_EQ(backoff.Next(1s), 300s);
  EXPECT_EQ(backoff.Next(11min), 0s);
  EXPECT_EQ(backoff.Next(1s), 10s);
}

}  // namespace
}  // namespace kinglet::kubelet
