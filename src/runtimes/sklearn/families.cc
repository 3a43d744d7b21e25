#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

constexpr int kMaxDepth = 12;

constexpr std::span<const Family> (*kFamilies[])() = {
    LinearFamilies,
    SvmFamilies,
    TreeFamilies,
    DummyFamilies,
    GradientBoostingFamilies,
    HistGradientBoostingFamilies,
    ScalerFamilies,
    ImputerFamilies,
    EncoderFamilies,
    PipelineFamilies,
    ColumnTransformerFamilies,
    NeighborFamilies,
    NaiveBayesFamilies,
    NeuralNetworkFamilies,
    ClusterFamilies,
    DecompositionFamilies,
    VotingFamilies,
};

}  // namespace

Result<std::unique_ptr<Estimator>> BuildEstimator(pickle::Value object, LoadContext& context) {
  if (context.depth >= kMaxDepth) {
    return Fail(Code::kInvalidArgument, "refused: estimators are nested more than {} deep",
                kMaxDepth);
  }
  KINGLET_TRY(const Attributes attributes, Attributes::Of(object, context));
  if (!object.module().starts_with("sklearn.")) {
    return Fail(Code::kInvalidArgument, "the file holds {}.{}, which is no scikit-learn model",
                object.module(), object.name());
  }
  for (const auto list : kFamilies) {
    for (const Family& family : list()) {
      if (family.class_name != object.name()) continue;
      ++context.depth;
      auto built = family.build(attributes);
      --context.depth;
      return built;
    }
  }
  return Fail(Code::kUnimplemented, "scikit-learn {} {}.{} is not supported",
              attributes.version().text, object.module(), object.name());
}

}  // namespace kinglet::runtimes::sklearn
