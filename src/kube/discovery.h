// Which kinds the server has. Asked once and kept; a kind that is missing is asked for again, since
// a CRD may be installed at any time.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::kube {

struct ApiResource {
  ResourceType type;
  std::string singular;
  std::vector<std::string> short_names, categories, verbs;
};

// Thread-safe.
class Discovery {
 public:
  // Answers "no" are trusted for `negative_ttl`.
  explicit Discovery(Client& client, const Clock& clock = Clock::System(),
                     Duration negative_ttl = std::chrono::seconds(30));

  // False where the group, version or kind is missing; an error only where the server cannot be
  // asked.
  Result<bool> Supports(std::string_view api_version, std::string_view kind);
  Result<bool> Supports(const ResourceType& type) { return Supports(type.ApiVersion(), type.kind); }
  // kNotFound names the kind as kubectl does.
  Result<ResourceType> ForKind(std::string_view api_version, std::string_view kind);
  // What a person writes: "isvc", "pods", "deployment", "services.serving.knative.dev".
  Result<ResourceType> ForName(std::string_view name);
  // All, preferred versions first. Groups that fail are left out.
  Result<std::vector<ApiResource>> All();
  void Invalidate();

 private:
  struct Entry {
    bool exists = false;
    std::vector<ApiResource> resources;
    SteadyTime asked;
  };
  Result<Entry> GroupVersion(std::string_view api_version, bool fresh);

  Client& client_;
  const Clock& clock_;
  Duration negative_ttl_;
  Guarded<std::map<std::string, Entry, std::less<>>> cache_;
};

}  // namespace kinglet::kube
