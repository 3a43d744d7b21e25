// XGBoost: models saved by Booster.save_model or XGBModel.save_model, XGBoost 1.0 to 3.x.
#include "runtimes/plugin.h"
#include "runtimes/xgboost/predictor.h"

namespace kinglet::runtimes {
namespace {

bool Matches(std::string_view head) {
  if (xgboost::LooksLikeBinary(head)) return true;
  return head.starts_with('{') && head.find("learner") != head.npos;
}

Result<std::unique_ptr<server::Model>> Load(std::string bytes, const LoadOptions&, Budget& budget) {
  KINGLET_TRY(xgboost::Description description, xgboost::ReadModel(bytes, budget));
  return xgboost::MakePredictor(std::move(description), budget);
}

}  // namespace

Plugin Plugin_xgboost() {
  return {.format = "xgboost",
          .extensions = {".bst", ".json", ".ubj"},
          .matches = &Matches,
          .load = &Load};
}

}  // namespace kinglet::runtimes
