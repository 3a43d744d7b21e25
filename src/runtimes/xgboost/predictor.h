// A description of an XGBoost model made ready to predict.
#pragma once

#include <memory>

#include "base/result.h"
#include "runtimes/xgboost/description.h"
#include "server/model.h"

namespace kinglet::runtimes::xgboost {

// Predicts as Booster.predict(DMatrix(X)) does: one FP32 tensor [rows] or [rows, outputs].
Result<std::unique_ptr<server::Model>> MakePredictor(Description description, Budget& budget);

// Tells the three formats apart by the bytes and reads the one at hand.
Result<Description> ReadModel(std::string_view bytes, Budget& budget);

}  // namespace kinglet::runtimes::xgboost
