// What Azure Blob Storage and Azure Files share: the address in the URI, credentials, signed
// requests. https://learn.microsoft.com/rest/api/storageservices/
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/uri.h"
#include "net/http/client.h"
#include "storage/environment.h"
#include "storage/renewed.h"
#include "storage/xml.h"

namespace kinglet::storage {

// https://<account>.blob.core.windows.net/<container>/<path>[?<SAS>]
struct AzureAddress {
  Uri endpoint;  // without path and query; of the connection string when that names one
  std::string account;
  std::string container;  // or share
  std::string path;       // decoded, no "/" at its ends
  std::string sas;        // without "?"
};

// Whether the URI is `<account>.<service>.core.windows.net/...` or
// `<account>.z<N>.<service>.storage.azure.net/...`.
bool IsAzureUri(std::string_view uri, std::string_view service);
Result<AzureAddress> ParseAzureUri(std::string_view uri, std::string_view service,
                                   const Environment& environment);

// The Authorization field's value for Shared Key. `path` is percent-encoded, with the account's
// name before it for emulators; `headers` holds x-ms-date and all that is sent.
std::string AzureSharedKey(std::string_view method, std::string_view account, std::string_view key,
                           std::string_view path,
                           const std::vector<std::pair<std::string, std::string>>& query,
                           const http::Headers& headers);

// Requests with the strongest credentials there are: a SAS in the URI or the environment, a token
// of a client (secret, workload identity) or a managed identity, the account's key, none.
// Thread-safe.
class AzureAccount {
 public:
  AzureAccount(AzureAddress address, const Environment& environment,
               std::unique_ptr<http::Client> client);

  // `path`: decoded, below the container.
  Result<http::ClientRequest> Request(std::string method, std::string_view path,
                                      std::vector<std::pair<std::string, std::string>> query,
                                      http::Headers headers, const Context& context);
  // GET of a document. kNotFound for 404.
  Result<XmlElement> GetXml(std::string_view path,
                            std::vector<std::pair<std::string, std::string>> query,
                            const Context& context);
  bool Renew(const http::ClientResponse& answer);
  // "HTTP 403 AuthenticationFailed: ..." and what may help.
  std::string Explain(const http::ClientResponse& answer) const;
  const AzureAddress& address() const { return address_; }
  http::Client& client() { return *client_; }

 private:
  enum class Mode { kAnonymous, kSas, kToken, kKey };
  using Found = Result<Expiring<std::string>>;
  Found Token(const Context& context);
  Found FromDirectory(std::vector<std::pair<std::string, std::string>> proof,
                      const Context& context);
  Found ManagedIdentity(const Context& context);

  AzureAddress address_;
  Environment environment_;
  std::unique_ptr<http::Client> client_;
  Mode mode_ = Mode::kAnonymous;
  std::string key_;  // decoded
  Renewed<std::string> token_;
};

// The account behind a URI of `service` ("blob" or "file"), with a client of its own.
Result<std::unique_ptr<AzureAccount>> OpenAzureAccount(std::string_view uri,
                                                       std::string_view service,
                                                       const Environment& environment);

}  // namespace kinglet::storage
