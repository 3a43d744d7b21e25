#include "kube/webhook_certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "kube/fake_client.h"

namespace kinglet::kube {
namespace {

using std::chrono::days;

WebhookCertificateOptions TestOptions() {
  return {.secret = {.ns = "kserve", .name = "certificates"},
          .names = {"hooks.kserve.svc", "127.0.0.1"},
          .mutating = {"changing"},
          .validating = {"checking", "absent"},
          .ca_days = 90,
          .serving_days = 30};
}

// A system clock that can be set ahead.
class AheadClock : public Clock {
 public:
  SteadyTime Now() const override { return Clock::System().Now() + ahead; }
  WallTime Wall() const override {
    return Clock::System().Wall() + std::chrono::duration_cast<WallTime::duration>(ahead);
  }
  Duration ahead{};
};

Json WebhookConfiguration(std::string_view kind, std::string_view name) {
  Json configuration = MakeObjectMeta("admissionregistration.k8s.io/v1", kind,
                                      {.ns = "", .name = std::string(name)});
  Json webhook = Json::MakeObject({{"name", "a.b.c"}});
  webhook.Path({"clientConfig"}).Set("url", "https://127.0.0.1:9443/x");
  configuration.Set("webhooks", Json::MakeArray({webhook, webhook}));
  return configuration;
}

TEST(AdvanceCertificates, MakesThemOnceAndRenewsTheServingOne) {
  WebhookCertificates c;
  const WallTime now = Clock::System().Wall();
  EXPECT_TRUE(*AdvanceCertificates(c, TestOptions(), now, false));
  EXPECT_FALSE(*AdvanceCertificates(c, TestOptions(), now, true));
  auto info = net::InspectCertificate(c.serving.cert_pem);
  EXPECT_THAT(info->names, testing::ElementsAre("hooks.kserve.svc", "127.0.0.1"));
  EXPECT_TRUE(net::IsSignedBy(c.serving.cert_pem, c.ca.cert_pem));

  const WebhookCertificates before = c;
  EXPECT_TRUE(*AdvanceCertificates(c, TestOptions(), now + days(21), true));
  EXPECT_EQ(c.ca.cert_pem, before.ca.cert_pem);
  EXPECT_NE(c.serving.cert_pem, before.serving.cert_pem);
}

TEST(AdvanceCertificates, ANewAuthorityIsAnnouncedBeforeItSigns) {
  WebhookCertificates c;
  const WallTime now = Clock::System().Wall();
  ASSERT_TRUE(AdvanceCertificates(c, TestOptions(), now, false));
  const WebhookCertificates first = c;
  const WallTime late = now + days(65);
  EXPECT_TRUE(*AdvanceCertificates(c, TestOptions(), late, true));
  EXPECT_FALSE(c.next_ca.cert_pem.empty());
  EXPECT_EQ(c.serving.cert_pem, first.serving.cert_pem);
  const std::string both = c.Bundle();

  // Until every configuration has both, the old one signs.
  EXPECT_TRUE(*AdvanceCertificates(c, TestOptions(), late, false));
  EXPECT_TRUE(net::IsSignedBy(c.serving.cert_pem, first.ca.cert_pem));
  EXPECT_TRUE(*AdvanceCertificates(c, TestOptions(), late, true));
  EXPECT_EQ(c.previous_ca, first.ca.cert_pem);
  EXPECT_TRUE(net::IsSignedBy(c.serving.cert_pem, c.ca.cert_pem));
  EXPECT_FALSE(net::IsSignedBy(c.serving.cert_pem, first.ca.cert_pem));
  EXPECT_EQ(c.Bundle(), both);

  // The old one goes when it expires.
  EXPECT_TRUE(*AdvanceCertificates(c, TestOptions(), now + days(91), true));
  EXPECT_TRUE(c.previous_ca.empty());
}

TEST(AdvanceCertificates, OtherNamesAndLostKeysAreIssuedAgain) {
  WebhookCertificates c;
  const WallTime now = Clock::System().Wall();
  ASSERT_TRUE(AdvanceCertificates(c, TestOptions(), now, false));
  auto options = TestOptions();
  options.names = {"other"};
  EXPECT_TRUE(*AdvanceCertificates(c, options, now, true));
  c.serving.key_pem.clear();
  EXPECT_TRUE(*AdvanceCertificates(c, options, now, true));
  c.ca.key_pem.clear();
  EXPECT_TRUE(*AdvanceCertificates(c, options, now, true));
  c.ca.cert_pem = "nonsense";
  EXPECT_TRUE(*AdvanceCertificates(c, options, now, true));
  EXPECT_FALSE(*AdvanceCertificates(c, options, now, true));
}

TEST(WebhookCertificateIssuer, ReplicasShareASecretAndTheConfigurationsTrustIt) {
  FakeClient client;
  ASSERT_TRUE(client.Create(kMutatingWebhookConfiguration,
                            WebhookConfiguration("MutatingWebhookConfiguration", "changing")));
  ASSERT_TRUE(client.Create(kValidatingWebhookConfiguration,
                            WebhookConfiguration("ValidatingWebhookConfiguration", "checking")));
  AheadClock clock;
  WebhookCertificateIssuer a(client, TestOptions(), clock), b(client, TestOptions(), clock);
  auto served = a.Step();
  ASSERT_TRUE(served) << served.error().ToString();
  EXPECT_EQ(b.Step()->cert_pem, served->cert_pem);
  auto trusted = [&](const ResourceType& type, const std::string& name) {
    Json webhooks = (*client.Get(type, {.ns = "", .name = name}))["webhooks"];
    EXPECT_EQ(webhooks[0]["clientConfig"]["caBundle"], webhooks[1]["clientConfig"]["caBundle"]);
    EXPECT_EQ(webhooks[0]["clientConfig"]["url"].AsString(), "https://127.0.0.1:9443/x");
    return *Base64Decode(webhooks[0]["clientConfig"]["caBundle"].AsString());
  };
  const std::string bundle = trusted(kMutatingWebhookConfiguration, "changing");
  EXPECT_EQ(trusted(kValidatingWebhookConfiguration, "checking"), bundle);
  EXPECT_TRUE(net::IsSignedBy(served->cert_pem, bundle));

  // A configuration that was written anew is mended.
  Json fresh = WebhookConfiguration("ValidatingWebhookConfiguration", "checking");
  ASSERT_TRUE(client.Delete(kValidatingWebhookConfiguration, {.ns = "", .name = "checking"}));
  ASSERT_TRUE(client.Create(kValidatingWebhookConfiguration, fresh));
  ASSERT_TRUE(b.Step());
  EXPECT_EQ(trusted(kValidatingWebhookConfiguration, "checking"), bundle);

  // The authority's renewal, by whoever comes: announced, then signing, trusted all along.
  clock.ahead = days(65);
  std::string serving = served->cert_pem;
  for (int i = 0; i < 2; ++i) {
    auto step = (i % 2 ? a : b).Step();
    ASSERT_TRUE(step) << step.error().ToString();
    const std::string now_trusted = trusted(kMutatingWebhookConfiguration, "changing");
    EXPECT_NE(now_trusted.find(bundle), std::string::npos);
    serving = step->cert_pem;
  }
  EXPECT_NE(serving, served->cert_pem);
}

}  // namespace
}  // namespace kinglet::kube
