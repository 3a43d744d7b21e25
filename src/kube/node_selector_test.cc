#include "kube/node_selector.h"

#include <gtest/gtest.h>

#include "base/yaml.h"

namespace kinglet::kube {
namespace {

TEST(NodeSelector, TermsAreAlternativesOfAllTheirRequirements) {
  const Json node = *ParseYaml("{metadata: {name: n1, labels: {gpu: a100, cores: '16'}}}");
  auto matches = [&](std::string_view terms) {
    return MatchesNodeSelector(Json::MakeObject({{"nodeSelectorTerms", *ParseYaml(terms)}}), node);
  };
  EXPECT_TRUE(matches("[{matchExpressions: [{key: gpu, operator: In, values: [h100, a100]}]}]"));
  EXPECT_FALSE(matches("[{matchExpressions: [{key: gpu, operator: NotIn, values: [a100]}]}]"));
  EXPECT_TRUE(matches("[{matchExpressions: [{key: disk, operator: NotIn, values: [ssd]}]}]"));
  EXPECT_TRUE(matches("[{matchExpressions: [{key: gpu, operator: Exists}]}]"));
  EXPECT_TRUE(matches("[{matchExpressions: [{key: disk, operator: DoesNotExist}]}]"));
  EXPECT_TRUE(matches("[{matchExpressions: [{key: cores, operator: Gt, values: ['8']}]}]"));
  EXPECT_FALSE(matches("[{matchExpressions: [{key: cores, operator: Lt, values: ['16']}]}]"));
  EXPECT_FALSE(matches("[{matchExpressions: [{key: gpu, operator: Gt, values: ['1']}]}]"));
  EXPECT_FALSE(matches(
      "[{matchExpressions: [{key: gpu, operator: Exists}, {key: disk, operator: Exists}]}]"));
  EXPECT_TRUE(matches(
      "[{matchExpressions: [{key: disk, operator: Exists}]}, {matchFields: [{key: metadata.name, "
      "operator: In, values: [n1]}]}]"));
  EXPECT_FALSE(matches("[{}]"));
  EXPECT_FALSE(matches("[]"));
}

}  // namespace
}  // namespace kinglet::kube
