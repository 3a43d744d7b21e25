#include "control/localmodelnode/cache_facts.h"

#include "kube/object.h"

namespace kinglet::control {

void KeepCacheFacts(Json& cache) {
  const Json& status = cache["status"];
  const bool used = status["inferenceServices"].size() + status["llmInferenceServices"].size() > 0;
  Json spec = cache["spec"];
  cache = kube::Identity(cache);
  cache.Set("spec", std::move(spec));
  cache.Set("used", used);
}

bool CacheFactsChanged(const Json* before, const Json* after) {
  return !before || !after || (*before)["spec"] != (*after)["spec"] ||
         (*before)["used"] != (*after)["used"];
}

}  // namespace kinglet::control
