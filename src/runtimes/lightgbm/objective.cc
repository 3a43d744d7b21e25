#include "runtimes/lightgbm/objective.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace kinglet::runtimes::lightgbm {
namespace {

using Transform = Objective::Transform;

struct Known {
  std::string_view name;
  Transform transform;
  bool has_sigmoid = false;
};

// https://lightgbm.readthedocs.io/en/stable/Parameters.html#objective
constexpr Known kKnown[] = {
    {"regression", Transform::kIdentity},   {"regression_l1", Transform::kIdentity},
    {"huber", Transform::kIdentity},        {"fair", Transform::kIdentity},
    {"quantile", Transform::kIdentity},     {"mape", Transform::kIdentity},
    {"poisson", Transform::kExp},           {"gamma", Transform::kExp},
    {"tweedie", Transform::kExp},           {"binary", Transform::kSigmoid, true},
    {"multiclass", Transform::kSoftmax},    {"multiclassova", Transform::kSigmoid, true},
    {"cross_entropy", Transform::kSigmoid}, {"cross_entropy_lambda", Transform::kLog1pExp},
    {"xentropy", Transform::kSigmoid},      {"xentlambda", Transform::kLog1pExp},
    {"lambdarank", Transform::kIdentity},   {"rank_xendcg", Transform::kIdentity},
    {"custom", Transform::kIdentity},       {"none", Transform::kIdentity},
};

std::string_view NextWord(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

void Softmax(std::span<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& x : scores) sum += x = std::exp(x - largest);
  for (double& x : scores) x /= sum;
}

}  // namespace

Result<Objective> ParseObjective(std::string_view line) {
  const std::string_view name = NextWord(line);
  if (name.empty()) return Objective{};
  const auto known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                  [&](const Known& each) { return each.name == name; });
  if (known == std::end(kKnown)) {
    return Fail(Code::kUnimplemented, "LightGBM objective \"{}\" is not supported",
                name.substr(0, 40));
  }
  Objective objective{known->transform};
  for (std::string_view word = NextWord(line); !word.empty(); word = NextWord(line)) {
    if (word == "sqrt" && name.starts_with("regression")) objective.transform = Transform::kSquare;
    constexpr std::string_view kSigmoid = "sigmoid:";
    if (known->has_sigmoid && word.starts_with(kSigmoid)) {
      const char* end = word.data() + word.size();
      const auto parsed = std::from_chars(word.data() + kSigmoid.size(), end, objective.sigmoid);
      if (parsed.ec != std::errc() || parsed.ptr != end) {
        return Fail(Code::kInvalidArgument, "objective: \"{}\" has no number", word);
      }
    }
  }
  return objective;
}

void Apply(const Objective& objective, size_t outputs, std::span<double> scores) {
  switch (objective.transform) {
    case Transform::kIdentity:
      break;
    case Transform::kSigmoid:
      for (double& x : scores) x = 1 / (1 + std::exp(-objective.sigmoid * x));
      break;
    case Transform::kExp:
      for (double& x : scores) x = std::exp(x);
      break;
    case Transform::kSoftmax:
      for (size_t i = 0; i + outputs <= scores.size(); i += outputs) {
        Softmax(scores.subspan(i, outputs));
      }
      break;
    case Transform::kLog1pExp:
      for (double& x : scores) x = std::log1p(std::exp(x));
      break;
    case Transform::kSquare:
      for (double& x : scores) x = std::copysign(x * x, x);
      break;
  }
}

}  // namespace kinglet::runtimes::lightgbm
