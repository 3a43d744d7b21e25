// The lives of objects that the fault suite plays.
#pragma once

#include <string>
#include <vector>

namespace kinglet::fault {

struct Step {
  std::string apply;                // a YAML list of objects
  std::vector<std::string> remove;  // "Kind/name"
};

struct Scenario {
  std::string name;
  std::string base;  // a YAML list: configuration and runtimes
  std::vector<Step> steps;
  std::string proof;  // part of the state after the first step, so that a scenario is not empty
};

// Each ends with an empty namespace.
std::vector<Scenario> Scenarios();

}  // namespace kinglet::fault
