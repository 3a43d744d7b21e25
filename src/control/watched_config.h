// The ConfigMap inferenceservice-config as it is now: watched, and parsed once a version.
//
// A value that cannot be used is refused: the reason is logged, and the section stays as it last
// was good. A key that was removed has its defaults again; a ConfigMap that was removed leaves all
// as it was.
#pragma once

#include <memory>
#include <string>

#include "api/config.h"
#include "base/guarded.h"
#include "kube/client.h"
#include "kube/informer.h"

namespace kinglet::control {

// Thread-safe.
class WatchedConfig {
 public:
  // `ns`: the namespace of the ConfigMap.
  WatchedConfig(kube::Client& client, std::string ns, const Clock& clock);

  // A snapshot: hold it for one pass. Problems are logged once for each version. Until the
  // ConfigMap is seen, every section is an error.
  std::shared_ptr<const api::Config> Read();

  // Of this one ConfigMap. The owner starts it and waits for it; a controller watches it to
  // reconcile what the configuration changes.
  kube::Informer& informer() { return informer_; }

 private:
  struct Parsed {
    bool is_current = false;  // no change was seen since it was read
    std::shared_ptr<const api::Config> config;
  };

  const kube::ObjectKey key_;
  Guarded<Parsed> parsed_;
  kube::Informer informer_;  // its handlers use the above
};

// `next` with those sections of `last` that the ConfigMap spells wrongly. Their reasons are added
// to the warnings.
api::Config KeepLastGood(const Json& config_map, api::Config next, const api::Config& last);

}  // namespace kinglet::control
