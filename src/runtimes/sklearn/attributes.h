// Reading a fitted estimator's attributes out of a pickle's graph. Every error names the class and
// the attribute.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "runtimes/pickle/graph.h"
#include "runtimes/pickle/ndarray.h"
#include "runtimes/plugin.h"
#include "runtimes/sklearn/estimator.h"

namespace kinglet::runtimes::sklearn {

// Of the scikit-learn that fitted the model; ordered.
struct Version {
  int major = 0;
  int minor = 0;
  std::string text;  // "1.3.2", or "of unknown version"

  bool AtLeast(int wanted_major, int wanted_minor) const {
    return major > wanted_major || (major == wanted_major && minor >= wanted_minor);
  }
};

// What one load shares among its estimators.
struct LoadContext {
  Budget& budget;
  LoadOptions options;
  Version version;
};

// An array of numbers in C order.
struct Numbers {
  std::vector<double> data;
  std::vector<int64_t> shape;

  // As a matrix: a vector is one row.
  size_t rows() const { return shape.size() < 2 ? 1 : static_cast<size_t>(shape[0]); }
  size_t columns() const { return rows() == 0 ? 0 : data.size() / rows(); }
};

class Attributes {
 public:
  // kInvalidArgument where `object` is no object with a state.
  static Result<Attributes> Of(pickle::Value object, LoadContext& context);

  std::string_view class_name() const { return object_.name(); }
  const Version& version() const { return version_; }
  Budget& budget() const { return context_->budget; }
  LoadContext& context() const { return *context_; }
  pickle::Value object() const { return object_; }

  pickle::Value Raw(std::string_view name) const { return object_.Attr(name); }
  // There and not None.
  bool Has(std::string_view name) const;

  Result<double> Number(std::string_view name) const;
  Result<double> NumberOr(std::string_view name, double fallback) const;
  Result<int64_t> Integer(std::string_view name) const;
  Result<bool> BoolOr(std::string_view name, bool fallback) const;
  Result<std::string> Text(std::string_view name) const;
  // For a parameter with a few known values: a longer text than any of them is cut.
  std::string TextOr(std::string_view name, std::string_view fallback) const;

  // Dense arrays, scipy's sparse matrices (made dense) and plain numbers (shape empty).
  Result<Numbers> Array(std::string_view name) const;
  Result<Numbers> ArrayOf(std::string_view name, pickle::Value value) const;
  Result<pickle::Array> View(std::string_view name) const;
  Result<Labels> Classes(std::string_view name) const;
  Result<Labels> ClassesOf(std::string_view name, pickle::Value value) const;
  // The items of a list, a tuple or an object array, in C order.
  Result<std::vector<pickle::Value>> Items(std::string_view name) const;

  // name, n_features_in_ and feature_names_in_. `features`: the columns that the fitted attributes
  // are made for; nullopt where they do not say, and n_features_in_ alone decides. An error where
  // both differ or there are none, so that Estimator::Check keeps every index in these attributes.
  Result<Estimator::Traits> MakeTraits(std::optional<size_t> features) const;

  Result<std::unique_ptr<Estimator>> Nested(std::string_view name, pickle::Value value) const;

  // kInvalidArgument: "SVC.coef0: what".
  Unexpected Wrong(std::string_view name, std::string_view what) const;
  // kUnimplemented: "scikit-learn 1.3.2 SVC with what is not supported".
  Unexpected Unsupported(std::string_view what) const;

 private:
  Attributes(pickle::Value object, LoadContext& context) : object_(object), context_(&context) {}

  pickle::Value object_;
  LoadContext* context_;
  Version version_;
};

Version ParseVersion(std::string_view text);

}  // namespace kinglet::runtimes::sklearn
