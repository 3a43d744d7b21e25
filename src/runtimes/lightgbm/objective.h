// LightGBM's objectives, as far as prediction goes: how raw scores become predictions.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"

namespace kinglet::runtimes::lightgbm {

struct Objective {
  enum class Transform {
    kIdentity,
    kSigmoid,  // 1 / (1 + exp(-sigmoid * x))
    kExp,
    kSoftmax,   // over the outputs of a row
    kLog1pExp,  // cross_entropy_lambda
    kSquare,    // sign(x) * x * x: trained on square roots
  };
  Transform transform = Transform::kIdentity;
  double sigmoid = 1;
};

// The model's "objective" line: a name and parameters, "binary sigmoid:1". Empty: raw scores (a
// custom objective). kUnimplemented for a name that is not known.
Result<Objective> ParseObjective(std::string_view line);

// In place; `scores` is rows x outputs.
void Apply(const Objective& objective, size_t outputs, std::span<double> scores);

}  // namespace kinglet::runtimes::lightgbm
