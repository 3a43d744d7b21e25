// Label and field selectors.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::kube {

class LabelSelector {
 public:
  enum class Op { kIn, kNotIn, kExists, kNotExists, kGreater, kLess };
  struct Requirement {
    std::string key;
    Op op;
    std::vector<std::string> values;  // sorted
  };

  LabelSelector() = default;  // matches everything
  // "a=b,c==d,e!=f,g in (h,i),j notin (k),l,!m,n>1"; "" matches everything.
  static Result<LabelSelector> Parse(std::string_view text);
  // metav1.LabelSelector {matchLabels, matchExpressions}. Null matches nothing, {} everything.
  static Result<LabelSelector> FromJson(const Json& selector);
  // A plain map as in Service.spec.selector.
  static LabelSelector FromMap(const Json& labels);

  bool Matches(const Json& labels) const;  // metadata.labels (null counts as empty)
  bool MatchesEverything() const { return !nothing_ && requirements_.empty(); }
  std::string ToString() const;
  const std::vector<Requirement>& requirements() const { return requirements_; }

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

class FieldSelector {
 public:
  struct Requirement {
    std::string path;  // "metadata.name"
    bool equals;
    std::string value;
  };

  FieldSelector() = default;
  // "metadata.name=x,status.phase!=Running", with \ before , = and \ in values.
  static Result<FieldSelector> Parse(std::string_view text);
  // A missing field is the empty string; numbers and booleans compare as their text.
  bool Matches(const Json& object) const;
  std::string ToString() const;
  const std::vector<Requirement>& requirements() const { return requirements_; }

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace kinglet::kube
