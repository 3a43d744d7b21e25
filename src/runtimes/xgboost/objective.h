// XGBoost's objectives, as far as prediction goes: how base_score becomes a margin, and how margins
// become predictions.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"

namespace kinglet::runtimes::xgboost {

// base_score is given in the units of the prediction; trees add to its margin.
enum class ToMargin { kIdentity, kLogit, kLog };
enum class Transform {
  kIdentity,
  kSigmoid,
  kExp,
  kStep,     // margin > 0
  kSoftmax,  // over the outputs of a row
  kArgMax,   // one number a row: the class
};

struct Objective {
  std::string_view name;
  ToMargin to_margin;
  Transform transform;
};

// kUnimplemented for a name that is not known.
Result<Objective> FindObjective(std::string_view name);

// kInvalidArgument for a base_score outside the objective's domain.
Result<float> Margin(const Objective& objective, double base_score);

// `margins` is rows x outputs; `out` too, or one value a row for kArgMax. float32 arithmetic, as
// the library's.
void Apply(Transform transform, std::span<const double> margins, size_t outputs,
           std::span<float> out);

}  // namespace kinglet::runtimes::xgboost
