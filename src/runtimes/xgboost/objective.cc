#include "runtimes/xgboost/objective.h"

#include <algorithm>
#include <cmath>

namespace kinglet::runtimes::xgboost {
namespace {

// https://xgboost.readthedocs.io/en/stable/parameter.html, "objective".
constexpr Objective kObjectives[] = {
    {"reg:squarederror", ToMargin::kIdentity, Transform::kIdentity},
    {"reg:linear", ToMargin::kIdentity, Transform::kIdentity},
    {"reg:squaredlogerror", ToMargin::kIdentity, Transform::kIdentity},
    {"reg:pseudohubererror", ToMargin::kIdentity, Transform::kIdentity},
    {"reg:absoluteerror", ToMargin::kIdentity, Transform::kIdentity},
    {"reg:quantileerror", ToMargin::kIdentity, Transform::kIdentity},
    {"reg:expectileerror", ToMargin::kIdentity, Transform::kIdentity},
    {"reg:logistic", ToMargin::kLogit, Transform::kSigmoid},
    {"reg:gamma", ToMargin::kLog, Transform::kExp},
    {"reg:tweedie", ToMargin::kLog, Transform::kExp},
    {"binary:logistic", ToMargin::kLogit, Transform::kSigmoid},
    {"binary:logitraw", ToMargin::kIdentity, Transform::kIdentity},
    {"binary:hinge", ToMargin::kIdentity, Transform::kStep},
    {"count:poisson", ToMargin::kLog, Transform::kExp},
    {"survival:cox", ToMargin::kLog, Transform::kExp},
    {"survival:aft", ToMargin::kLog, Transform::kExp},
    {"multi:softprob", ToMargin::kIdentity, Transform::kSoftmax},
    {"multi:softmax", ToMargin::kIdentity, Transform::kArgMax},
    {"rank:pairwise", ToMargin::kIdentity, Transform::kIdentity},
    {"rank:ndcg", ToMargin::kIdentity, Transform::kIdentity},
    {"rank:map", ToMargin::kIdentity, Transform::kIdentity},
};

float Sigmoid(float x) {
  // exp(88.7) is the largest that float32 holds.
  return 1.0f / (std::exp(std::min(-x, 88.7f)) + 1.0f);
}

void Softmax(std::span<const double> margins, std::span<float> out) {
  const double largest = *std::max_element(margins.begin(), margins.end());
  double sum = 0;
  for (size_t k = 0; k < margins.size(); ++k) {
    out[k] = std::exp(static_cast<float>(margins[k]) - static_cast<float>(largest));
    sum += out[k];
  }
  for (float& x : out) x /= static_cast<float>(sum);
}

}  // namespace

Result<Objective> FindObjective(std::string_view name) {
  for (const Objective& objective : kObjectives) {
    if (objective.name == name) return objective;
  }
  return Fail(Code::kUnimplemented, "XGBoost objective \"{}\" is not supported",
              name.substr(0, 40));
}

Result<float> Margin(const Objective& objective, double base_score) {
  const float base = static_cast<float>(base_score);
  if (!std::isfinite(base)) return Fail(Code::kInvalidArgument, "base_score is not finite");
  switch (objective.to_margin) {
    case ToMargin::kIdentity:
      return base;
    case ToMargin::kLogit:
      if (base < 0 || base > 1) {
        return Fail(Code::kInvalidArgument, "base_score must be in (0,1) for {}, got {}",
                    objective.name, base);
      }
      // Where all labels were alike XGBoost 3.1 estimates 0 or 1 and clips it so.
      return -std::log(1.0f / std::clamp(base, 1e-6f, 1.0f - 1e-6f) - 1.0f);
    case ToMargin::kLog:
      if (base <= 0) {
        return Fail(Code::kInvalidArgument, "base_score must be positive for {}, got {}",
                    objective.name, base);
      }
      return std::log(base);
  }
  return base;
}

void Apply(Transform transform, std::span<const double> margins, size_t outputs,
           std::span<float> out) {
  switch (transform) {
    case Transform::kIdentity:
      std::transform(margins.begin(), margins.end(), out.begin(),
                     [](double x) { return static_cast<float>(x); });
      break;
    case Transform::kSigmoid:
      std::transform(margins.begin(), margins.end(), out.begin(),
                     [](double x) { return Sigmoid(static_cast<float>(x)); });
      break;
    case Transform::kExp:
      std::transform(margins.begin(), margins.end(), out.begin(),
                     [](double x) { return std::exp(static_cast<float>(x)); });
      break;
    case Transform::kStep:
      std::transform(margins.begin(), margins.end(), out.begin(),
                     [](double x) { return x > 0 ? 1.0f : 0.0f; });
      break;
    case Transform::kSoftmax:
      for (size_t i = 0; i + outputs <= margins.size(); i += outputs) {
        Softmax(margins.subspan(i, outputs), out.subspan(i, outputs));
      }
      break;
    case Transform::kArgMax:
      for (size_t i = 0; i + outputs <= margins.size(); i += outputs) {
        const auto row = margins.subspan(i, outputs);
        out[i / outputs] =
            static_cast<float>(std::max_element(row.begin(), row.end()) - row.begin());
      }
      break;
  }
}

}  // namespace kinglet::runtimes::xgboost
