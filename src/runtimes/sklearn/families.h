// The table from scikit-learn's class names to what builds them. A family of estimators is one
// file here that defines its list; a new one is added to the list of lists in families.cc.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "runtimes/sklearn/attributes.h"
#include "runtimes/sklearn/estimator.h"

namespace kinglet::runtimes::sklearn {

struct Family {
  std::string_view class_name;
  Result<std::unique_ptr<Estimator>> (*build)(const Attributes& attributes);
};

std::span<const Family> LinearFamilies();
std::span<const Family> SvmFamilies();
std::span<const Family> TreeFamilies();
std::span<const Family> DummyFamilies();
std::span<const Family> GradientBoostingFamilies();
std::span<const Family> HistGradientBoostingFamilies();
std::span<const Family> ScalerFamilies();
std::span<const Family> ImputerFamilies();
std::span<const Family> EncoderFamilies();
std::span<const Family> PipelineFamilies();
std::span<const Family> ColumnTransformerFamilies();
std::span<const Family> NeighborFamilies();
std::span<const Family> NaiveBayesFamilies();
std::span<const Family> NeuralNetworkFamilies();
std::span<const Family> ClusterFamilies();
std::span<const Family> DecompositionFamilies();
std::span<const Family> VotingFamilies();

// Any estimator: kUnimplemented, with class and version, where no family has its class.
Result<std::unique_ptr<Estimator>> BuildEstimator(pickle::Value object, LoadContext& context);

}  // namespace kinglet::runtimes::sklearn
