#include "kube/access.h"

#include <gtest/gtest.h>

#include "base/yaml.h"

namespace kinglet::kube {
namespace {

TEST(MakeRules, UnitesVerbsOfAResourceAndResourcesWithTheSameVerbs) {
  const Json rules = MakeRules({Watched(kPod),
                                Watched(kNamespace),
                                {kNamespace, {"get"}},
                                Watched(kService),
                                Reported(kInferenceService),
                                {kSecret, {"get"}, "", {"b", "a"}, true}});
  EXPECT_EQ(rules, *ParseYaml(R"(
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods, services]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [a, b]
  verbs: [get]
- apiGroups: [serving.kserve.io]
  resources: [inferenceservices/status]
  verbs: [update]
)"));
}

}  // namespace
}  // namespace kinglet::kube
