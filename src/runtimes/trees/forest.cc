#include "runtimes/trees/forest.h"

#include <algorithm>
#include <utility>

#include "runtimes/trees/expand.h"
#include "runtimes/trees/flatten.h"
#include "runtimes/trees/ranked.h"
#include "runtimes/trees/traverse.h"

namespace kinglet::runtimes::trees {
namespace {

// Rows expanded at a time: the block's slots stay in the first cache.
constexpr size_t kRowBlock = 64;
static_assert(kRowBlock <= kMostWalks && kRowBlock == kRankedRows);

struct RankedScratch {
  std::vector<std::byte> ranks;
  std::unique_ptr<RankedLines> lines;
};

// Grows to what the largest forest of this thread needs, then stays.
template <class T>
struct Scratch {
  std::vector<T> slots;
  std::vector<float> sums;
  RankedScratch ranked;
};

template <class T>
Scratch<T>& ThreadScratch() {
  thread_local Scratch<T> scratch;
  return scratch;
}

// One call of Sum: how a step is taken (Step) and what sums are kept in (A).
template <class T, class Step, class A>
class Summer {
 public:
  Summer(const Flat<T>& flat, const Ranked<T>& ranked)
      : flat_(flat), ranked_(ranked), step_(flat) {}

  // One row down all trees.
  void SumRow(const T* slots, A* sums) {
    const size_t count = flat_.trees.size();
    for (size_t first = 0; first < count; first += kMostWalks) {
      const FlatTree* trees = flat_.trees.data() + first;
      const size_t n = std::min(kMostWalks, count - first);
      for (size_t i = 0; i < n; ++i) walks_.at[i] = trees[i].root;
      WalkToLeaves(step_, [slots](size_t) { return slots; }, n, walks_);
      if (flat_.outputs == 1 && flat_.leaf_kind != LeafKind::kVector) {
        // One sum stays in a register; through memory each addition would wait for a store.
        A sum = sums[0];
        for (size_t i = 0; i < n; ++i) sum += Value(walks_.at[i]);
        sums[0] = sum;
      } else {
        for (size_t i = 0; i < n; ++i) Add(walks_.at[i], trees[i].output, sums);
      }
    }
  }

  // `n` rows, at most kRowBlock, down one tree after the other.
  void SumBlock(const T* slots, size_t n, A* sums) {
    const size_t width = flat_.slots.size();
    for (const FlatTree& tree : flat_.trees) {
      std::fill_n(walks_.at, n, tree.root);
      WalkToLeaves(
          step_, [slots, width, n](size_t i) { return slots + (i < n ? i : 0) * width; }, n,
          walks_);
      for (size_t i = 0; i < n; ++i) Add(walks_.at[i], tree.output, sums + i * flat_.outputs);
    }
  }

  // The same by ranks.
  void SumRanked(const T* slots, size_t n, RankedScratch& scratch, A* sums) {
    if (!scratch.lines) scratch.lines = std::make_unique<RankedLines>();
    if (scratch.ranks.size() < ranked_.rank_bytes()) scratch.ranks.resize(ranked_.rank_bytes());
    const std::byte* ranks = scratch.ranks.data();
    ranked_.Rank(slots, n, scratch.ranks.data());
    for (size_t tree = 0; tree < flat_.trees.size(); ++tree) {
      const uint8_t* leaves = ranked_.FindLeaves(tree, ranks, *scratch.lines);
      if (flat_.leaf_kind == LeafKind::kVector) {
        const uint32_t* places = ranked_.LeafPlaces(tree);
        for (size_t i = 0; i < n; ++i) {
          AddVector(flat_.leaf_pool.data() + places[leaves[i]], sums + i * flat_.outputs);
        }
        continue;
      }
      const double* values = ranked_.LeafValues(tree);
      A* out = sums + flat_.trees[tree].output;
      for (size_t i = 0; i < n; ++i) {
        out[i * flat_.outputs] += static_cast<A>(values[leaves[i]]);
      }
    }
  }

 private:
  A Value(uint32_t leaf) const {
    const T value = step_.reader.Threshold(leaf);
    if (flat_.leaf_kind == LeafKind::kInline) return static_cast<A>(value);
    return static_cast<A>(flat_.leaf_pool[ThresholdAsIndex(value)]);
  }

  void Add(uint32_t leaf, uint32_t output, A* sums) const {
    if (flat_.leaf_kind != LeafKind::kVector) {
      sums[output] += Value(leaf);
      return;
    }
    AddVector(flat_.leaf_pool.data() + ThresholdAsIndex(step_.reader.Threshold(leaf)), sums);
  }

  void AddVector(const double* values, A* sums) const {
    for (size_t k = 0; k < flat_.outputs; ++k) sums[k] += static_cast<A>(values[k]);
  }

  const Flat<T>& flat_;
  const Ranked<T>& ranked_;
  const Step step_;
  Walks walks_;
};

// Fewer rows than this go down many trees each rather than together down each tree.
constexpr size_t kRowsForBlock = 6;
// And from this on ranks pay.
constexpr size_t kRowsForRanks = 16;

template <class T, class Step, class A>
void SumExpanded(const Flat<T>& flat, const Ranked<T>& ranked, const T* slots, size_t n,
                 RankedScratch& scratch, A* sums) {
  Summer<T, Step, A> summer(flat, ranked);
  if (n >= kRowsForRanks && !ranked.empty()) return summer.SumRanked(slots, n, scratch, sums);
  if (n >= kRowsForBlock) return summer.SumBlock(slots, n, sums);
  for (size_t i = 0; i < n; ++i) {
    summer.SumRow(slots + i * flat.slots.size(), sums + i * flat.outputs);
  }
}

template <class Step, class T>
void SumRows(const Flat<T>& flat, const Ranked<T>& ranked, const T* rows, size_t n, size_t stride,
             double* out) {
  Scratch<T>& scratch = ThreadScratch<T>();
  const size_t width = flat.slots.size();
  const size_t most = std::min(n, kRowBlock);
  if (scratch.slots.size() < width * most) scratch.slots.resize(width * most);
  if (flat.float_sums && scratch.sums.size() < flat.outputs * most) {
    scratch.sums.resize(flat.outputs * most);
  }
  for (size_t begin = 0; begin < n; begin += kRowBlock) {
    const size_t count = std::min(kRowBlock, n - begin);
    T* slots = scratch.slots.data();
    for (size_t i = 0; i < count; ++i) {
      Expand(flat.slots, rows + (begin + i) * stride, slots + i * width);
    }
    double* block_out = out + begin * flat.outputs;
    if (flat.float_sums) {
      float* sums = scratch.sums.data();
      const size_t values = count * flat.outputs;
      for (size_t i = 0; i < values; ++i) sums[i] = static_cast<float>(block_out[i]);
      SumExpanded<T, Step>(flat, ranked, slots, count, scratch.ranked, sums);
      for (size_t i = 0; i < values; ++i) block_out[i] = sums[i];
    } else {
      SumExpanded<T, Step>(flat, ranked, slots, count, scratch.ranked, block_out);
    }
  }
}

template <class Reader, class T>
void SumRowsBy(const Flat<T>& flat, const Ranked<T>& ranked, const T* rows, size_t n, size_t stride,
               double* out) {
  if (flat.category_pool.empty()) {
    SumRows<NumericStep<Reader>>(flat, ranked, rows, n, stride, out);
  } else {
    SumRows<CategoryStep<Reader>>(flat, ranked, rows, n, stride, out);
  }
}

}  // namespace

template <class T>
struct Forest<T>::Impl {
  Flat<T> flat;
  Ranked<T> ranked = Ranked<T>::Make(flat);
};

template <class T>
Forest<T>::Forest(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
template <class T>
Forest<T>::Forest(Forest&&) noexcept = default;
template <class T>
Forest<T>& Forest<T>::operator=(Forest&&) noexcept = default;
template <class T>
Forest<T>::~Forest() = default;

template <class T>
Result<Forest<T>> Forest<T>::Build(ForestSpec<T> spec, Budget& budget) {
  ForestBuilder<T> builder({spec.features, spec.outputs, spec.vector_leaves, spec.float_sums},
                           budget);
  KINGLET_RETURN_IF_ERROR(builder.impl_->flattener.CheckShape());
  for (Tree<T>& tree : spec.trees) {
    KINGLET_RETURN_IF_ERROR(builder.Add(tree));
    tree = {};  // a large forest is not kept twice
  }
  return std::move(builder).Build();
}

template <class T>
struct ForestBuilder<T>::Impl {
  Flattener<T> flattener;
};

template <class T>
ForestBuilder<T>::ForestBuilder(const ForestShape& shape, Budget& budget)
    : impl_(std::make_unique<Impl>(Impl{Flattener<T>(shape, budget)})) {}
template <class T>
ForestBuilder<T>::ForestBuilder(ForestBuilder&&) noexcept = default;
template <class T>
ForestBuilder<T>& ForestBuilder<T>::operator=(ForestBuilder&&) noexcept = default;
template <class T>
ForestBuilder<T>::~ForestBuilder() = default;

template <class T>
Status ForestBuilder<T>::Add(const Tree<T>& tree) {
  return impl_->flattener.Add(tree);
}

template <class T>
Forest<T> ForestBuilder<T>::Build() && {
  return Forest<T>(std::make_unique<typename Forest<T>::Impl>(impl_->flattener.Finish()));
}

template <class T>
size_t Forest<T>::features() const {
  return impl_->flat.features;
}
template <class T>
size_t Forest<T>::outputs() const {
  return impl_->flat.outputs;
}

template <class T>
void Forest<T>::Sum(const T* rows, size_t n, size_t stride, double* out) const {
  const Flat<T>& flat = impl_->flat;
  if constexpr (sizeof(T) == 4) {
    if (flat.compact) return SumRowsBy<CompactReader>(flat, impl_->ranked, rows, n, stride, out);
  }
  SumRowsBy<WideReader<T>>(flat, impl_->ranked, rows, n, stride, out);
}

template class Forest<float>;
template class Forest<double>;
template class ForestBuilder<float>;
template class ForestBuilder<double>;

}  // namespace kinglet::runtimes::trees
