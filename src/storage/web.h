// What all schemes share in talking to servers: TLS options from the environment, and calls for
// credentials and listings that answer with small documents.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "net/http/client.h"
#include "storage/environment.h"
#include "storage/scheme.h"

namespace kinglet::storage {

// User agent, the rule of addresses (addresses.h) and the CA bundle: CA_BUNDLE_CONFIGMAP_NAME with
// CA_BUNDLE_VOLUME_MOUNT_POINT as KServe mounts it (kNotFound with KServe's text when the file is
// missing), else REQUESTS_CA_BUNDLE or SSL_CERT_FILE.
Result<http::ClientOptions> WebOptions(const Environment& environment);
// The same without a CA bundle.
Result<http::ClientOptions> PlainWebOptions(const Environment& environment);
// For URIs that name a host of the user's choice: STORAGE_HTTP_ADDRESSES=public refuses other
// addresses.
void RestrictToPublic(http::ClientOptions& options, const Environment& environment);

// A client for metadata services on the link: no proxy, and no long wait where there is none.
std::unique_ptr<http::Client> LinkLocalClient(Duration connect_timeout = std::chrono::seconds(1));

// "a=1&b=%20", for POST bodies and URLs.
std::string FormEncode(const std::vector<std::pair<std::string, std::string>>& fields);

// Sends the request under the context's stop and deadline (20 s at most) and tries again a few
// times when the server is busy. The answer has status 200; anything else is an error that begins
// with `what` and ends with the answer's own words.
Result<http::ClientResponse> Call(http::Client& client, http::ClientRequest request,
                                  const Context& context, std::string_view what);
// The same for an answer that is a JSON object.
Result<Json> CallJson(http::Client& client, http::ClientRequest request, const Context& context,
                      std::string_view what);

// The JSON of a listing. It takes far more memory than its text, so that it has no more values than
// a listing needs; another attempt would find the same: kFailedPrecondition.
Result<Json> ParseListing(std::string_view text);

// Waits, but no longer than until the context's stop or deadline. False when it was one of them.
bool Wait(Duration duration, const Context& context);

// The pages of a listing: an error for a server that names the same page again or too many, for
// what was listed until then is not the model.
class Pages {
 public:
  // `token` names the page that comes next, `what` is listed.
  Status Turn(const std::string& token, std::string_view what);

 private:
  std::unordered_set<size_t> seen_;  // hashes of tokens
};

}  // namespace kinglet::storage
