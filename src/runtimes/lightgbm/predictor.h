// A description of a LightGBM model made ready to predict.
#pragma once

#include <memory>

#include "base/result.h"
#include "runtimes/lightgbm/description.h"
#include "server/model.h"

namespace kinglet::runtimes::lightgbm {

// Predicts as Booster.predict(X) does: one FP64 tensor [rows] or [rows, outputs].
Result<std::unique_ptr<server::Model>> MakePredictor(Description description, Budget& budget);

}  // namespace kinglet::runtimes::lightgbm
