// LightGBM: models saved by Booster.save_model, LightGBM 2.x to 4.x.
#include "base/file.h"
#include "runtimes/lightgbm/predictor.h"
#include "runtimes/plugin.h"

namespace kinglet::runtimes {
namespace {

Result<std::unique_ptr<server::Model>> Load(const std::filesystem::path& file, const LoadOptions&) {
  KINGLET_TRY(const std::string text, ReadFile(file));
  KINGLET_TRY(lightgbm::Description description, lightgbm::ReadModel(text));
  return lightgbm::MakePredictor(std::move(description));
}

}  // namespace

Plugin Plugin_lightgbm() {
  return {.format = "lightgbm",
          .extensions = {".bst", ".txt", ".model"},
          .matches = &lightgbm::LooksLikeModel,
          .load = &Load};
}

}  // namespace kinglet::runtimes
