#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

// Every estimator passes over every row of every request, so that even a small one that is named
// a thousand times in one file would make predictions slow.
constexpr uint64_t kEstimatorSteps = uint64_t{1} << 18;

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
  KINGLET_TRY(const Budget::Level level, context.budget.Enter());
  KINGLET_RETURN_IF_ERROR(context.budget.Spend(kEstimatorSteps));
  KINGLET_TRY(const Attributes attributes, Attributes::Of(object, context));
  if (!object.module().starts_with("sklearn.")) {
    return Fail(Code::kInvalidArgument, "the file holds {}.{}, which is no scikit-learn model",
                object.module(), object.name());
  }
  for (const auto list : kFamilies) {
    for (const Family& family : list()) {
      if (family.class_name != object.name()) continue;
      return family.build(attributes);
    }
  }
  return Fail(Code::kUnimplemented, "scikit-learn {} {}.{} is not supported",
              attributes.version().text, object.module(), object.name());
}

}  // namespace kinglet::runtimes::sklearn
