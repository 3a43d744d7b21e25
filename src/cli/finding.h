// One thing that `doctor` says.
#pragma once

#include <string>

namespace kinglet::cli {

struct Finding {
  enum class Level { kGood, kWaiting, kProblem };
  Level level = Level::kProblem;
  std::string what;  // a sentence
  std::string next;  // what to do, "" nothing
};

}  // namespace kinglet::cli
