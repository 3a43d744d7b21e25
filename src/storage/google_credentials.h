// Application default credentials of Google Cloud: the file that GOOGLE_APPLICATION_CREDENTIALS
// names, the one that gcloud leaves, the metadata server; in this order.
// https://google.aip.dev/auth/4110
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "net/http/client.h"
#include "storage/environment.h"
#include "storage/renewed.h"

namespace kinglet::storage {

class GoogleCredentials {
 public:
  explicit GoogleCredentials(Environment environment);

  // An access token; "" for anonymous access, when there are no credentials anywhere. Thread-safe.
  Result<std::string> Token(const Context& context) { return current_.Get(context); }
  // After the store refused it: whether the next Token is another one.
  bool Renew() { return current_.Drop(); }

 private:
  using Found = Result<Expiring<std::string>>;
  Found Find(const Context& context);
  Found FromFile(const Json& file, const Context& context, int depth);
  Found ServiceAccount(const Json& file, const Context& context);
  Found AuthorizedUser(const Json& file, const Context& context);
  Found ExternalAccount(const Json& file, const Context& context);
  Found Impersonate(const std::string& url, const std::string& token, const Context& context);
  Found Metadata(const Context& context);
  // Posts a form to a token endpoint.
  Found Exchange(const std::string& url,
                 const std::vector<std::pair<std::string, std::string>>& form,
                 const Context& context, std::string_view what);
  Result<std::string> SubjectToken(const Json& source, const Context& context);

  Environment environment_;
  Renewed<std::string> current_;
};

}  // namespace kinglet::storage
