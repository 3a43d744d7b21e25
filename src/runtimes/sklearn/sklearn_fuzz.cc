// Any bytes: loading them as a scikit-learn model ends in a model that predicts or in an error.
#include <cstdint>
#include <string>

#include "runtimes/sklearn/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const bool proba : {false, true}) {
    Budget budget = Budget::ForInput(size);
    auto model = runtimes::sklearn::LoadModel(bytes, {.predict_proba = proba}, budget);
    if (!model) continue;
    const int64_t features = (*model)->metadata().inputs[0].shape[1];
    server::PredictRequest request;
    request.inputs.resize(1);
    request.inputs[0].Reset("input-0", inference::DataType::kFp64,
                            {2, features > 0 && features < 4096 ? features : 4});
    for (double& value : request.inputs[0].As<double>()) value = 1.5;
    server::PredictResponse response;
    (void)(*model)->Predict(request, &response);
  }
  return 0;
}
