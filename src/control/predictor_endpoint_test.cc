#include "control/predictor_endpoint.h"

#include "control/testing.h"

namespace kinglet::control {
namespace {

TEST(PredictorEndpoint, ByWhoAnswersAndHow) {
  const struct {
    const char *spec, *want;
  } kCases[] = {
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a}}}",
       "http://x/v1/models/iris:predict"},
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a, protocolVersion: v2}}}",
       "http://x/v2/models/iris/infer"},
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a, protocolVersion: "
       "grpc-v2}}}",
       "http://x"},
      {"{predictor: {sklearn: {storageUri: a}}}", "http://x/v1/models/iris:predict"},
      {"{predictor: {triton: {storageUri: a}}}", "http://x/v2/models/iris/infer"},
      // TrainedModels bring the models.
      {"{predictor: {model: {modelFormat: {name: sklearn}}}}", "http://x"},
      {"{predictor: {model: {modelFormat: {name: huggingface}, args: [--model_name=llm]}}}",
       "http://x/v1/models/llm:predict"},
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a, args: [--model_name, m, "
       "--x]}}}",
       "http://x/v1/models/m:predict"},
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a, args: [--model_name=m, "
       "-v]}}}",
       "http://x/v1/models/m:predict"},
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a, env: [{name: "
       "MLSERVER_MODEL_NAME, value: ml}], args: [--model_name=m]}}}",
       "http://x/v1/models/ml:predict"},
      {"{predictor: {containers: [{name: kserve-container, args: [--model_name=c], env: [{name: "
       "PROTOCOL, value: v2}]}]}}",
       "http://x/v2/models/c/infer"},
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a, protocolVersion: v2, "
       "args: [--model_name=m]}}, transformer: {containers: [{args: [--model_name=t]}]}}",
       "http://x/v1/models/t:predict"},
      {"{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a, args: "
       "[--model_name=m]}}, transformer: {containers: [{env: [{name: PROTOCOL, value: v2}]}]}}",
       "http://x/v2/models/m/infer"},
  };
  for (const auto& c : kCases) {
    api::InferenceService isvc;
    isvc.metadata = Yaml("{name: iris, namespace: ns}");
    auto spec = api::Decode<api::InferenceServiceSpec>(Yaml(c.spec));
    ASSERT_TRUE(spec) << c.spec << spec.error().message();
    isvc.spec = *spec;
    auto waiting = PredictorEndpoint(isvc);
    ASSERT_FALSE(waiting);
    EXPECT_EQ(waiting.error().message(), "service iris is not ready");
    isvc.status = Yaml("{address: {url: http://x}}");
    EXPECT_EQ(PredictorEndpoint(isvc).value_or("?"), c.want) << c.spec;
  }
}

}  // namespace
}  // namespace kinglet::control
