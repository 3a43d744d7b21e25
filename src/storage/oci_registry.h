// A registry of container images: the distribution API with its token authorisation.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/json.h"
#include "net/http/client.h"
#include "storage/environment.h"
#include "storage/scheme.h"

namespace kinglet::storage {

struct ImageReference {
  std::string registry;    // host[:port]
  std::string repository;  // library/name
  std::string reference;   // tag or sha256:...
};

// "name", "host:5000/a/b:tag", "host/a@sha256:...". Names without a host are Docker Hub's.
Result<ImageReference> ParseImage(std::string_view text);

// The parameters of a WWW-Authenticate field: Bearer realm="...",service="...". `scheme` in lower
// case.
struct Challenge {
  std::string scheme, realm, service, scope;
};
Challenge ParseChallenge(std::string_view field);

class OciRegistry {
 public:
  // Credentials from KSERVE_OCI_DOCKER_CONFIG, DOCKER_CONFIG/config.json or ~/.docker/config.json.
  // KSERVE_OCI_INSECURE_REGISTRY=true: http instead of https.
  OciRegistry(ImageReference image, const Environment& environment,
              std::unique_ptr<http::Client> client);

  // A manifest or index, its digest checked when `reference` is one.
  Result<Json> Manifest(const std::string& reference, const Context& context);
  Result<http::ClientRequest> Blob(std::string_view digest, const Context& context);
  // After a 401 of the registry itself: fetches a token for the answer's challenge, from a realm
  // that is asked over TLS (over HTTP only where the registry is asked so, too). A challenge of a
  // server that the registry redirected to counts for nothing: the credentials are not for it. True
  // when the request is worth repeating.
  bool Authorise(const http::ClientResponse& answer, const Context& context);
  const ImageReference& image() const { return image_; }
  http::Client& client() { return *client_; }

 private:
  http::ClientRequest Request(std::string_view path, const Context& context);
  Result<std::string> FetchToken(const Challenge& challenge, const Context& context);

  ImageReference image_;
  std::string origin_, base_, user_, password_;
  std::unique_ptr<http::Client> client_;
  Guarded<std::string> authorization_;  // the field's value
};

}  // namespace kinglet::storage
