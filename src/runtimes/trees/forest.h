// One engine for every tree ensemble: scikit-learn's trees, forests and boosting, XGBoost,
// LightGBM. Loaders describe trees with the plain structs below; ForestBuilder checks them and lays
// them out flat, for the cache, for single rows and for batches.
//
// T is the type features are compared in: float for XGBoost and scikit-learn's trees (both cast the
// input to float32), double for LightGBM and scikit-learn's histogram boosting. Every numeric split
// is brought to "value <= threshold goes left":
//   XGBoost      x < t   on float32   ->  x <= nextafter(t, -inf)
//   scikit-learn float(x) <= double t ->  x <= largest float not above t
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/budget.h"
#include "base/result.h"

namespace kinglet::runtimes::trees {

// Which values are treated as missing by a node, and so follow `missing_left`.
enum class Missing : uint8_t {
  kNone,  // NaN is compared as 0.0 (LightGBM "None")
  kZero,  // |x| <= 1e-35 and NaN (LightGBM "Zero")
  kNan,   // NaN
};

template <class T>
struct Node {
  int32_t left = -1;  // index in the same tree; -1: this is a leaf
  int32_t right = -1;
  int32_t feature = -1;
  T threshold = 0;
  Missing missing = Missing::kNan;
  bool missing_left = false;
  // >= 0: index in Tree::category_sets; categories in the set go left, others right.
  int32_t category_set = -1;
  // A leaf's first value in Tree::leaf_values (one value, or `outputs` values when the forest has
  // vector leaves).
  int32_t leaf = -1;
};

template <class T>
struct Tree {
  std::vector<Node<T>> nodes;  // nodes[0] is the root
  // Bit c of a set: category c goes left.
  std::vector<std::vector<uint32_t>> category_sets;
  std::vector<double> leaf_values;
  int32_t output = 0;  // scalar leaves: the output (class) this tree adds to
};

struct ForestShape {
  size_t features = 0;
  size_t outputs = 1;
  bool vector_leaves = false;  // every leaf has `outputs` values
  bool float_sums = false;     // accumulate in float32, in tree order (XGBoost); else in double
};

// A whole forest.
template <class T>
struct ForestSpec {
  size_t features = 0;
  size_t outputs = 1;
  bool vector_leaves = false;
  bool float_sums = false;
  std::vector<Tree<T>> trees;
};

template <class T>
class ForestBuilder;

// Immutable once built; Sum is thread-safe and does not allocate.
template <class T>
class Forest {
 public:
  // As ForestBuilder, of all trees.
  static Result<Forest> Build(ForestSpec<T> spec, Budget& budget);

  Forest(Forest&&) noexcept;
  Forest& operator=(Forest&&) noexcept;
  ~Forest();

  size_t features() const;
  size_t outputs() const;

  // For each of n rows at rows + i*stride (features() values each), adds every tree's leaf to
  // out[i*outputs() + k]. The caller initialises out (base scores). Uses the calling thread only.
  void Sum(const T* rows, size_t n, size_t stride, double* out) const;

 private:
  friend class ForestBuilder<T>;
  struct Impl;
  explicit Forest(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Lays out a forest tree by tree, so that a loader need not hold all of them at once.
template <class T>
class ForestBuilder {
 public:
  // The budget of the file that the trees are from; it must outlive the builder.
  ForestBuilder(const ForestShape& shape, Budget& budget);
  ForestBuilder(ForestBuilder&&) noexcept;
  ForestBuilder& operator=(ForestBuilder&&) noexcept;
  ~ForestBuilder();

  // Refuses (kInvalidArgument, "tree 7: ...") children out of range, cycles, nodes with two
  // parents, features out of range, leaves without values: a built forest always terminates and
  // never reads outside. After an error the builder is only to be destroyed.
  Status Add(const Tree<T>& tree);

  Forest<T> Build() &&;

 private:
  friend class Forest<T>;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

extern template class Forest<float>;
extern template class Forest<double>;
extern template class ForestBuilder<float>;
extern template class ForestBuilder<double>;

}  // namespace kinglet::runtimes::trees
