// LightGBM: models saved by Booster.save_model, LightGBM 2.x to 4.x.
#include "runtimes/lightgbm/predictor.h"
#include "runtimes/plugin.h"

namespace kinglet::runtimes {
namespace {

Result<std::unique_ptr<server::Model>> Load(std::string text, const LoadOptions&, Budget& budget) {
  KINGLET_TRY(lightgbm::Description description, lightgbm::ReadModel(text, budget));
  return lightgbm::MakePredictor(std::move(description), budget);
}

}  // namespace

Plugin Plugin_lightgbm() {
  return {.format = "lightgbm",
          .extensions = {".bst", ".txt", ".model"},
          .matches = &lightgbm::LooksLikeModel,
          .load = &Load};
}

}  // namespace kinglet::runtimes
