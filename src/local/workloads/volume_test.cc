#include "local/workloads/volume.h"

#include <gtest/gtest.h>

#include "base/yaml.h"

namespace kinglet::workloads {
namespace {

Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value.has_value()) << value.error().message();
  return value.value_or(Json());
}

const Json& Claim() {
  static const Json claim = Yaml(R"(
metadata: {name: c, namespace: ns, uid: u1, resourceVersion: "7"}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, volumeName: v, storageClassName: local}
status: {phase: Pending}
)");
  return claim;
}

Json Volume(std::string_view rest = "{}") {
  Json volume = Yaml(R"(
metadata: {name: v}
spec: {accessModes: [ReadWriteOnce, ReadOnlyMany], capacity: {storage: 2Gi}, storageClassName: local}
)");
  const Json more = Yaml(rest);
  for (const auto& [key, value] : more.AsObject()) volume.Ref("spec").Set(key, value);
  return volume;
}

TEST(Volume, BindsToTheClaimThatNamesIt) {
  EXPECT_EQ(WhyNotBound(Claim(), Volume()), "");
  const Json volume = Volume();
  EXPECT_EQ(MakeClaimStatus(Claim(), &volume),
            Yaml("{phase: Bound, accessModes: [ReadWriteOnce, ReadOnlyMany], capacity: {storage: "
                 "2Gi}}"));
  Json taken = Volume();
  taken.Ref("spec").Set("claimRef", MakeClaimRef(Claim()));
  EXPECT_EQ(WhyNotBound(Claim(), taken), "");
  EXPECT_EQ(MakeVolumeStatus(taken, &Claim()), Yaml("{phase: Bound}"));
  // The claim is gone, and another has its name.
  EXPECT_EQ(MakeVolumeStatus(taken, nullptr), Yaml("{phase: Released}"));
  Json other = Claim();
  other.Ref("metadata").Set("uid", "u2");
  EXPECT_EQ(MakeVolumeStatus(taken, &other), Yaml("{phase: Released}"));
  EXPECT_EQ(WhyNotBound(other, taken), "volume \"v\" already bound to a different claim.");
  EXPECT_EQ(MakeVolumeStatus(volume, nullptr), Yaml("{phase: Available}"));
}

TEST(Volume, OnesThatDoNotFitStayApart) {
  EXPECT_NE(WhyNotBound(Claim(), Volume("{capacity: {storage: 1Mi}}")), "");
  EXPECT_NE(WhyNotBound(Claim(), Volume("{storageClassName: other}")), "");
  EXPECT_NE(WhyNotBound(Claim(), Volume("{accessModes: [ReadOnlyMany]}")), "");
  EXPECT_NE(WhyNotBound(Claim(), Volume("{claimRef: {namespace: ns, name: other}}")), "");
}

TEST(Volume, AClaimWithoutAVolume) {
  EXPECT_EQ(MakeClaimStatus(Claim(), nullptr), Yaml("{phase: Pending}"));
  Json bound = Claim();
  bound.Set("status", Yaml("{phase: Bound}"));
  EXPECT_EQ(MakeClaimStatus(bound, nullptr), Yaml("{phase: Lost}"));
  Json free = Claim();
  free.Ref("spec").Erase("volumeName");
  EXPECT_EQ(MakeClaimStatus(free, nullptr),
            Yaml("{phase: Bound, accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}}"));
}

}  // namespace
}  // namespace kinglet::workloads
