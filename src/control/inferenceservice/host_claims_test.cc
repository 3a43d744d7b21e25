#include "control/inferenceservice/host_claims.h"

#include <gtest/gtest.h>

#include "control/testing.h"
#include "kube/fake_client.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

using kube::ObjectKey;

Json Ingress(const ObjectKey& owner, std::string_view host) {
  Json ingress = kube::MakeObjectMeta("networking.k8s.io/v1", "Ingress", owner);
  ingress.Path({"spec", "rules"}) = Json::MakeArray({Json::MakeObject({{"host", host}})});
  return ingress;
}

class HostClaimsTest : public testing::Test {
 protected:
  HostClaimsTest() : live_(client_, kube::kIngress, {}) {}
  ~HostClaimsTest() override { stop_.request_stop(); }

  void Start() {
    live_.Start(stop_.get_token());
    ASSERT_TRUE(live_.WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));
  }

  std::optional<HostClaims::Conflict> Claim(const ObjectKey& owner, std::string_view host,
                                            const std::string& shared = "") {
    const DesiredObject route{&kube::kIngress, Ingress(owner, host)};
    return claims_.Claim(owner, std::span(&route, 1), shared, live_);
  }

  const ObjectKey mine_{.ns = "a", .name = "mine"}, theirs_{.ns = "b", .name = "theirs"};
  kube::FakeClient client_;
  std::stop_source stop_;
  kube::Informer live_;
  HostClaims claims_;
};

TEST_F(HostClaimsTest, TheFirstNamespaceKeepsAHost) {
  Start();
  EXPECT_FALSE(Claim(theirs_, "x.com"));
  auto conflict = Claim(mine_, "x.com");
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->host, "x.com");
  EXPECT_EQ(conflict->holder, theirs_);
  EXPECT_FALSE(Claim({.ns = "b", .name = "other"}, "x.com"));  // of the same namespace
  claims_.Release(theirs_);
  EXPECT_TRUE(Claim(mine_, "x.com"));
  claims_.Release({.ns = "b", .name = "other"});
  EXPECT_FALSE(Claim(mine_, "x.com"));
}

TEST_F(HostClaimsTest, AMoveFreesTheOldHostOnlyIfTheNewOneIsFree) {
  Start();
  EXPECT_FALSE(Claim(mine_, "mine.com"));
  EXPECT_FALSE(Claim(theirs_, "theirs.com"));
  EXPECT_TRUE(Claim(mine_, "theirs.com"));
  EXPECT_TRUE(Claim(theirs_, "mine.com"));
  EXPECT_FALSE(Claim(mine_, "free.com"));
  EXPECT_FALSE(Claim(theirs_, "mine.com"));
}

TEST_F(HostClaimsTest, ASharedHostIsForAll) {
  Start();
  EXPECT_FALSE(Claim(mine_, "x.com", "x.com"));
  EXPECT_FALSE(Claim(theirs_, "x.com", "x.com"));
}

// After a restart it does not matter which InferenceService is reconciled first.
TEST_F(HostClaimsTest, RoutesInTheClusterAreClaims) {
  auto create = [&](const ObjectKey& owner, std::string_view kind, std::string_view host) {
    Json ingress = Ingress(owner, host);
    ingress.Path({"metadata", "ownerReferences"}) = Json::MakeArray({Json::MakeObject(
        {{"kind", kind}, {"name", owner.name}, {"uid", "u"}, {"controller", true}})});
    ASSERT_TRUE(client_.Create(kube::kIngress, ingress));
  };
  create(theirs_, "InferenceService", "x.com");
  create({.ns = "b", .name = "foreign"}, "Website", "y.com");
  Start();
  EXPECT_TRUE(Claim(mine_, "x.com"));
  EXPECT_FALSE(Claim(mine_, "y.com"));
  EXPECT_FALSE(Claim(theirs_, "x.com"));
}

}  // namespace
}  // namespace kinglet::control
