#include "runtimes/trees/forest.h"

#include <algorithm>
#include <utility>

#include "runtimes/trees/expand.h"
#include "runtimes/trees/flat.h"
#include "runtimes/trees/traverse.h"

namespace kinglet::runtimes::trees {
namespace {

// Rows that are walked together down one tree, and rows expanded at a time: a few trees' nodes and
// the block's slots stay in the first cache.
constexpr size_t kRowsTogether = 8;
constexpr size_t kRowBlock = 64;

// Grows to what the largest forest of this thread needs, then stays.
template <class T>
struct Scratch {
  std::vector<T> slots;
  std::vector<float> sums;
};

template <class T>
Scratch<T>& ThreadScratch() {
  thread_local Scratch<T> scratch;
  return scratch;
}

// One call of Sum: the forest, how its nodes are read (Reader) and what sums are kept in (A).
template <class Reader, class A>
class Summer {
 public:
  using T = typename Reader::Value;

  Summer(const Flat<T>& flat, const Reader& reader) : flat_(flat), reader_(reader) {}

  // One row, kTreesTogether trees at a time.
  void SumRow(const T* slots, A* sums) const {
    auto row = [slots](size_t) { return slots; };
    A first = sums[0];
    const bool single = flat_.outputs == 1;
    for (size_t t = 0; t < flat_.trees.size(); t += kTreesTogether) {
      uint32_t at[kTreesTogether];
      uint32_t depth = 0;
      for (size_t k = 0; k < kTreesTogether; ++k) {
        at[k] = flat_.trees[t + k].root;
        depth = std::max(depth, flat_.trees[t + k].depth);
      }
      Walk(row, depth, at);
      const size_t count = std::min(kTreesTogether, flat_.tree_count - t);
      if (single) {
        // One sum stays in a register; through memory each addition would wait for a store.
        for (size_t k = 0; k < count; ++k) first += Value(at[k]);
      } else {
        for (size_t k = 0; k < count; ++k) Add(at[k], flat_.trees[t + k].output, sums);
      }
    }
    if (single) sums[0] = first;
  }

  // `n` rows, kRowsTogether of them at a time down each tree.
  void SumBlock(const T* slots, size_t n, A* sums) const {
    const size_t width = flat_.slots.size();
    const size_t outputs = flat_.outputs;
    const size_t whole = n - n % kRowsTogether;
    for (size_t t = 0; t < flat_.tree_count; ++t) {
      const FlatTree& tree = flat_.trees[t];
      for (size_t i = 0; i < whole; i += kRowsTogether) {
        uint32_t at[kRowsTogether];
        std::fill_n(at, kRowsTogether, tree.root);
        const T* block = slots + i * width;
        Walk([block, width](size_t k) { return block + k * width; }, tree.depth, at);
        for (size_t k = 0; k < kRowsTogether; ++k) {
          Add(at[k], tree.output, sums + (i + k) * outputs);
        }
      }
    }
    for (size_t i = whole; i < n; ++i) SumRow(slots + i * width, sums + i * outputs);
  }

 private:
  template <class Rows, size_t K>
  void Walk(const Rows& row, uint32_t depth, uint32_t (&at)[K]) const {
    if (flat_.category_pool.empty()) {
      Descend(reader_, row, depth, at);
    } else {
      DescendCategories(reader_, flat_.first_category_slot, flat_.category_pool.data(), row, depth,
                        at);
    }
  }

  A Value(uint32_t leaf) const {
    const T value = reader_.Threshold(leaf);
    if (flat_.leaf_kind == LeafKind::kInline) return static_cast<A>(value);
    return static_cast<A>(flat_.leaf_pool[ThresholdAsIndex(value)]);
  }

  void Add(uint32_t leaf, uint32_t output, A* sums) const {
    if (flat_.leaf_kind != LeafKind::kVector) {
      sums[output] += Value(leaf);
      return;
    }
    const double* values = flat_.leaf_pool.data() + ThresholdAsIndex(reader_.Threshold(leaf));
    for (size_t k = 0; k < flat_.outputs; ++k) sums[k] += static_cast<A>(values[k]);
  }

  const Flat<T>& flat_;
  const Reader reader_;
};

template <class Reader, class T>
void SumRows(const Flat<T>& flat, const T* rows, size_t n, size_t stride, double* out) {
  const Reader reader(flat);
  Scratch<T>& scratch = ThreadScratch<T>();
  const size_t width = flat.slots.size();
  const size_t most = std::min(n, kRowBlock);
  if (scratch.slots.size() < width * most) scratch.slots.resize(width * most);
  if (flat.float_sums && scratch.sums.size() < flat.outputs * most) {
    scratch.sums.resize(flat.outputs * most);
  }
  for (size_t begin = 0; begin < n; begin += kRowBlock) {
    const size_t count = std::min(kRowBlock, n - begin);
    for (size_t i = 0; i < count; ++i) {
      Expand(flat.slots, rows + (begin + i) * stride, scratch.slots.data() + i * width);
    }
    double* block_out = out + begin * flat.outputs;
    if (flat.float_sums) {
      const size_t values = count * flat.outputs;
      for (size_t i = 0; i < values; ++i) scratch.sums[i] = static_cast<float>(block_out[i]);
      Summer<Reader, float>(flat, reader)
          .SumBlock(scratch.slots.data(), count, scratch.sums.data());
      for (size_t i = 0; i < values; ++i) block_out[i] = scratch.sums[i];
    } else {
      Summer<Reader, double>(flat, reader).SumBlock(scratch.slots.data(), count, block_out);
    }
  }
}

}  // namespace

template <class T>
struct Forest<T>::Impl {
  Flat<T> flat;
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
Result<Forest<T>> Forest<T>::Build(ForestSpec<T> spec) {
  KINGLET_TRY(Flat<T> flat, Flatten(std::move(spec)));
  return Forest(std::make_unique<Impl>(Impl{std::move(flat)}));
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
    if (flat.compact) return SumRows<CompactReader>(flat, rows, n, stride, out);
  }
  SumRows<WideReader<T>>(flat, rows, n, stride, out);
}

template class Forest<float>;
template class Forest<double>;

}  // namespace kinglet::runtimes::trees
