#include "local/kubelet/scheduling.h"

#include <gtest/gtest.h>

#include <map>

#include "base/yaml.h"

namespace kinglet::kubelet {
namespace {

Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value.has_value()) << value.error().message();
  return value.value_or(Json());
}

class SchedulingTest : public testing::Test {
 protected:
  std::string Why(std::string_view spec) {
    const Json pod = Json::MakeObject({{"spec", Yaml(spec)}});
    auto why = WhyUnschedulable(
        pod, node_, [&](const kube::ResourceType& type, const std::string& name) -> Result<Json> {
          auto it = objects_.find(type.kind + "/" + name);
          if (it == objects_.end()) return Fail(Code::kNotFound, "{} not found", name);
          return it->second;
        });
    EXPECT_TRUE(why.has_value());
    return why.value_or("");
  }

  const Json node_ = Yaml("{metadata: {name: kinglet, labels: {gpu: a100}}}");
  std::map<std::string, Json> objects_;
};

TEST_F(SchedulingTest, LabelsOfTheNode) {
  EXPECT_EQ(Why("{nodeSelector: {gpu: a100}}"), "");
  EXPECT_NE(Why("{nodeSelector: {gpu: h100}}").find("without the label gpu=h100"),
            std::string::npos);
  const std::string affinity =
      "{{affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: "
      "{{nodeSelectorTerms: [{{matchExpressions: [{{key: gpu, operator: {}}}]}}]}}}}}}}}";
  EXPECT_EQ(Why(fmt::format(fmt::runtime(affinity), "Exists")), "");
  EXPECT_NE(Why(fmt::format(fmt::runtime(affinity), "DoesNotExist")), "");
}

TEST_F(SchedulingTest, DevicesAreNotHere) {
  EXPECT_NE(Why("{containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]}"), "");
  EXPECT_EQ(Why("{containers: [{resources: {limits: {cpu: 64}}}]}"), "");
}

TEST_F(SchedulingTest, ClaimsAreBoundToVolumesOfThisNode) {
  const std::string pod = "{volumes: [{persistentVolumeClaim: {claimName: c}}]}";
  EXPECT_NE(Why(pod).find("persistentvolumeclaim \"c\" not found"), std::string::npos);
  objects_["PersistentVolumeClaim/c"] = Yaml("{spec: {volumeName: v}, status: {phase: Pending}}");
  EXPECT_NE(Why(pod).find("unbound"), std::string::npos);
  objects_["PersistentVolumeClaim/c"].Path({"status", "phase"}) = "Bound";
  objects_["PersistentVolume/v"] = Yaml(
      "{spec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: gpu, "
      "operator: In, values: [h100]}]}]}}}}");
  EXPECT_NE(Why(pod).find("volume node affinity conflict"), std::string::npos);
  objects_["PersistentVolume/v"].Ref("spec").Erase("nodeAffinity");
  EXPECT_EQ(Why(pod), "");
}

}  // namespace
}  // namespace kinglet::kubelet
