#include "kube/webhook_certificates.h"

#include <array>

#include "base/encoding.h"
#include "base/log.h"

namespace kinglet::kube {
namespace {

constexpr std::string_view kAuthorityName = "kserve-webhook-ca";

// Members of the Secret. The first two are what other users of such Secrets read.
struct Field {
  std::string_view name;
  std::string& (*of)(WebhookCertificates&);
};
constexpr std::array kFields = {
    Field{"tls.crt", [](WebhookCertificates& c) -> std::string& { return c.serving.cert_pem; }},
    Field{"tls.key", [](WebhookCertificates& c) -> std::string& { return c.serving.key_pem; }},
    Field{"ca.crt", [](WebhookCertificates& c) -> std::string& { return c.ca.cert_pem; }},
    Field{"ca.key", [](WebhookCertificates& c) -> std::string& { return c.ca.key_pem; }},
    Field{"next-ca.crt", [](WebhookCertificates& c) -> std::string& { return c.next_ca.cert_pem; }},
    Field{"next-ca.key", [](WebhookCertificates& c) -> std::string& { return c.next_ca.key_pem; }},
    Field{"previous-ca.crt", [](WebhookCertificates& c) -> std::string& { return c.previous_ca; }},
};

// Members that cannot be read count as missing: they are made anew.
WebhookCertificates FromSecret(const Json& secret) {
  WebhookCertificates out;
  for (const Field& field : kFields) {
    auto text = Base64Decode(secret["data"][field.name].AsString());
    if (text) field.of(out) = *std::move(text);
  }
  return out;
}

// Missing, unreadable or with less than a third of its time left.
bool IsDue(const std::string& certificate, WallTime now) {
  auto info = net::InspectCertificate(certificate);
  return !info || info->not_after - now < (info->not_after - info->not_before) / 3;
}

bool IsUsable(const net::Certificate& certificate, WallTime now) {
  auto info = net::InspectCertificate(certificate.cert_pem);
  return info && now < info->not_after && !certificate.key_pem.empty();
}

bool ServesNames(const std::string& certificate, const std::vector<std::string>& names) {
  auto info = net::InspectCertificate(certificate);
  return info && info->names == names;
}

bool HasBundle(const Json& configuration, const std::string& encoded) {
  for (const Json& webhook : configuration["webhooks"].AsArray()) {
    if (webhook["clientConfig"]["caBundle"].AsString() != encoded) return false;
  }
  return true;
}

}  // namespace

Result<bool> AdvanceCertificates(WebhookCertificates& c, const WebhookCertificateOptions& options,
                                 WallTime now, bool announced) {
  auto issue = [&]() -> Result<bool> {
    KINGLET_TRY(c.serving, net::IssueCertificate(c.ca, options.names.front(), options.names,
                                                 options.serving_days));
    return true;
  };
  if (!IsUsable(c.ca, now)) {
    // The first time, or nobody looked after it for years.
    c = {};
    KINGLET_TRY(c.ca, net::MakeCertificateAuthority(kAuthorityName, options.ca_days));
    return issue();
  }
  if (!c.previous_ca.empty()) {
    auto previous = net::InspectCertificate(c.previous_ca);
    if (!previous || previous->not_after <= now) {
      c.previous_ca.clear();
      return true;
    }
  }
  if (!c.next_ca.cert_pem.empty() && announced) {
    c.previous_ca = std::exchange(c.ca, std::exchange(c.next_ca, {})).cert_pem;
    return issue();
  }
  if (c.next_ca.cert_pem.empty() && IsDue(c.ca.cert_pem, now)) {
    KINGLET_TRY(c.next_ca, net::MakeCertificateAuthority(kAuthorityName, options.ca_days));
    return true;
  }
  if (IsDue(c.serving.cert_pem, now) || c.serving.key_pem.empty() ||
      !ServesNames(c.serving.cert_pem, options.names) ||
      !net::IsSignedBy(c.serving.cert_pem, c.ca.cert_pem)) {
    return issue();
  }
  return false;
}

WebhookCertificateIssuer::WebhookCertificateIssuer(Client& client,
                                                   WebhookCertificateOptions options,
                                                   const Clock& clock)
    : client_(client), options_(std::move(options)), clock_(clock) {}

Result<Json> WebhookCertificateIssuer::Configuration(const ResourceType& type,
                                                     const std::string& name) {
  auto found = client_.Get(type, {.ns = "", .name = name});
  if (!found && found.error().code() == Code::kNotFound) return Json();
  return found;
}

Result<bool> WebhookCertificateIssuer::Announced(const std::string& bundle) {
  const std::string encoded = Base64Encode(bundle);
  for (const auto& [type, names] :
       {std::pair(&kMutatingWebhookConfiguration, &options_.mutating),
        std::pair(&kValidatingWebhookConfiguration, &options_.validating)}) {
    for (const std::string& name : *names) {
      KINGLET_TRY(Json configuration, Configuration(*type, name));
      if (!HasBundle(configuration, encoded)) return false;
    }
  }
  return true;
}

Status WebhookCertificateIssuer::Announce(const std::string& bundle) {
  const std::string encoded = Base64Encode(bundle);
  for (const auto& [type, names] :
       {std::pair(&kMutatingWebhookConfiguration, &options_.mutating),
        std::pair(&kValidatingWebhookConfiguration, &options_.validating)}) {
    for (const std::string& name : *names) {
      KINGLET_TRY(Json configuration, Configuration(*type, name));
      if (HasBundle(configuration, encoded)) continue;
      for (Json& webhook : configuration.Ref("webhooks").MutableArray()) {
        webhook.Ref("clientConfig").Set("caBundle", encoded);
      }
      KINGLET_RETURN_IF_ERROR(client_.Update(*type, configuration));
      LogInfo("the webhooks' certificate authority was announced",
              {{"kind", type->kind}, {"name", name}});
    }
  }
  return {};
}

Status WebhookCertificateIssuer::Store(const WebhookCertificates& certificates,
                                       const Json& secret) {
  Json next = secret;
  const bool fresh = next.IsNull();
  if (fresh) {
    next = MakeObjectMeta("v1", "Secret", options_.secret);
    next.Set("type", "kubernetes.io/tls");
  }
  WebhookCertificates copy = certificates;
  Json data = Json::MakeObject();
  for (const Field& field : kFields) {
    if (const std::string& text = field.of(copy); !text.empty()) {
      data.Set(field.name, Base64Encode(text));
    }
  }
  next.Set("data", std::move(data));
  KINGLET_RETURN_IF_ERROR(fresh ? client_.Create(kSecret, next) : client_.Update(kSecret, next));
  return {};
}

Result<net::Certificate> WebhookCertificateIssuer::Step() {
  auto found = client_.Get(kSecret, options_.secret);
  if (!found && found.error().code() != Code::kNotFound) return Unexpected(found.error());
  const Json secret = found ? *std::move(found) : Json();
  WebhookCertificates certificates = FromSecret(secret);
  // What is announced now was announced in an earlier step at the latest, so that API servers have
  // had a pause to see it.
  KINGLET_TRY(bool announced, Announced(certificates.Bundle()));
  KINGLET_TRY(bool changed, AdvanceCertificates(certificates, options_, clock_.Wall(), announced));
  if (changed) {
    KINGLET_RETURN_IF_ERROR(Store(certificates, secret));
    LogInfo("webhook certificates were renewed", {{"secret", options_.secret.ToString()}});
  }
  KINGLET_RETURN_IF_ERROR(Announce(certificates.Bundle()));
  return certificates.serving;
}

}  // namespace kinglet::kube
