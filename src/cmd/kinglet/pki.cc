#include "cmd/kinglet/pki.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"

namespace kinglet::standalone {
namespace {

constexpr int kTenYears = 3650;

}  // namespace

Result<Pki> LoadOrMakePki(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "cannot make {}: {}", folder.string(), error.message());
  }
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  Pki pki;
  auto ca_cert = ReadFile(folder / "ca.crt");
  auto ca_key = ReadFile(folder / "ca.key");
  auto token = ReadFile(folder / "token");
  if (ca_cert && ca_key && token) {
    pki.ca = {*ca_cert, *ca_key};
    pki.token = *token;
  } else {
    KINGLET_TRY(pki.ca, net::MakeCertificateAuthority("kinglet-ca", kTenYears));
    pki.token = HexEncode(RandomBytes(24));
    // The token last: its presence says that the other two are whole.
    KINGLET_RETURN_IF_ERROR(WriteFileAtomic(folder / "ca.crt", pki.ca.cert_pem, 0600));
    KINGLET_RETURN_IF_ERROR(WriteFileAtomic(folder / "ca.key", pki.ca.key_pem, 0600));
    KINGLET_RETURN_IF_ERROR(WriteFileAtomic(folder / "token", pki.token, 0600));
  }
  KINGLET_TRY(pki.server, net::IssueCertificate(pki.ca, "kinglet-api",
                                                {"127.0.0.1", "localhost", "::1", "kubernetes",
                                                 "kubernetes.default", "kubernetes.default.svc"},
                                                kTenYears));
  return pki;
}

std::string KubeconfigText(const Pki& pki, const std::string& server_url) {
  Json config = Json::MakeObject({
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "kinglet"},
      {"clusters",
       Json::MakeArray({Json::MakeObject(
           {{"name", "kinglet"},
            {"cluster", Json::MakeObject({{"server", server_url},
                                          {"certificate-authority-data",
                                           Base64Encode(pki.ca.cert_pem)}})}})})},
      {"users", Json::MakeArray({Json::MakeObject(
                    {{"name", "kinglet"}, {"user", Json::MakeObject({{"token", pki.token}})}})})},
      {"contexts",
       Json::MakeArray({Json::MakeObject(
           {{"name", "kinglet"},
            {"context", Json::MakeObject({{"cluster", "kinglet"},
                                          {"user", "kinglet"},
                                          {"namespace", "default"}})}})})},
  });
  return DumpYaml(config);
}

}  // namespace kinglet::standalone
