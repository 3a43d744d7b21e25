#include "runtimes/trees/ranked.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "runtimes/trees/traverse.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace kinglet::runtimes::trees {
namespace {

// Ranks are kept around zero, to fit the signed integers that vector instructions compare.
template <class R>
constexpr int kZero = sizeof(R) == 1 ? -128 : -32768;
constexpr size_t kMostNarrow = 255, kMostWide = 65535;

// Where a block keeps the rank of a row. Two-byte comparisons are packed to bytes within halves of
// vectors, which changes the middle two of four groups of eight.
template <class R>
size_t Place(size_t row) {
  if constexpr (sizeof(R) == 1) return row;
  return (row & ~size_t{24}) | (row & 8) << 1 | (row & 16) >> 1;
}

// to[i] = the rank of row i is above `rank` ? right[i] : left[i].
#ifdef __AVX2__
__m256i Load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

// All ones for the rows, of 32, that are above.
__m256i Above(const int8_t* ranks, __m256i rank) { return _mm256_cmpgt_epi8(Load(ranks), rank); }
__m256i Above(const int16_t* ranks, __m256i rank) {
  return _mm256_packs_epi16(_mm256_cmpgt_epi16(Load(ranks), rank),
                            _mm256_cmpgt_epi16(Load(ranks + 16), rank));
}

template <class R>
void Choose(const R* ranks, int16_t rank, const uint8_t* left, const uint8_t* right, uint8_t* to) {
  const __m256i all =
      sizeof(R) == 1 ? _mm256_set1_epi8(static_cast<char>(rank)) : _mm256_set1_epi16(rank);
  for (size_t row = 0; row < kRankedRows; row += 32) {
    const __m256i chosen =
        _mm256_blendv_epi8(Load(left + row), Load(right + row), Above(ranks + row, all));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + row), chosen);
  }
}
#else
template <class R>
void Choose(const R* ranks, int16_t rank, const uint8_t* left, const uint8_t* right, uint8_t* to) {
  for (size_t row = 0; row < kRankedRows; ++row) {
    to[row] = ranks[Place<R>(row)] > rank ? right[row] : left[row];
  }
}
#endif

template <class R>
void ChooseAll(const RankedChoice* choices, size_t count, const R* ranks, RankedLines& lines) {
  for (size_t i = 0; i < count; ++i) {
    const RankedChoice choice = choices[i];
    Choose(ranks + size_t{choice.slot} * kRankedRows, choice.rank, lines.line[choice.left],
           lines.line[choice.right], lines.line[kRankedLeaves + i]);
  }
}

// Rows searched together: each step of a search waits for the one before.
constexpr size_t kSearches = 4;

// For each x: how many of the ascending thresholds it is above. Without a branch on the outcome.
template <class Int>
void CountBelow(const Int* thresholds, size_t count, const Int (&x)[kSearches],
                size_t (&below)[kSearches]) {
  for (size_t& at : below) at = 0;
  while (count > 1) {
    const size_t half = count / 2;
    for (size_t k = 0; k < kSearches; ++k) {
      below[k] += half & (size_t{0} - size_t{thresholds[below[k] + half - 1] < x[k]});
    }
    count -= half;
  }
  if (count == 0) return;
  for (size_t k = 0; k < kSearches; ++k) below[k] += thresholds[below[k]] < x[k];
}

}  // namespace

RankedLines::RankedLines() {
  for (size_t i = 0; i < kRankedLeaves; ++i) std::memset(line[i], static_cast<int>(i), kRankedRows);
}

template <class T>
Ranked<T>::Order Ranked<T>::OrderOf(T x) {
  const Order bits = std::bit_cast<Order>(x + T{0});
  return bits < 0 ? bits ^ std::numeric_limits<Order>::max() : bits;
}

template <class T>
Ranked<T> Ranked<T>::Make(const Flat<T>& flat) {
  Ranked out;
  if (!flat.category_pool.empty() || flat.slots.size() > kMostWide) return out;
  bool made = false;
  if constexpr (sizeof(T) == 4) {
    if (flat.compact) made = out.AddTrees(flat, CompactReader(flat));
  }
  if (!flat.compact) made = out.AddTrees(flat, WideReader<T>(flat));
  return made ? std::move(out) : Ranked();
}

template <class T>
template <class Reader>
bool Ranked<T>::AddTrees(const Flat<T>& flat, const Reader& reader) {
  trees_.reserve(flat.trees.size());
  std::vector<T> thresholds;  // of each choice
  for (const FlatTree& flat_tree : flat.trees) {
    RankedTree tree{
        .first_choice = static_cast<uint32_t>(choices_.size()),
        .first_leaf = static_cast<uint32_t>(std::max(leaf_values_.size(), leaf_places_.size()))};
    // Breadth first; turned around, children come before their parents.
    std::vector<uint32_t> nodes = {flat_tree.root};
    std::vector<uint32_t> children;  // the left one's position in `nodes`; 0: a leaf
    size_t splits = 0;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const uint32_t node = nodes[i];
      const bool leaf = reader.Slot(node) == 0;
      children.push_back(leaf ? 0 : static_cast<uint32_t>(nodes.size()));
      if (leaf) continue;
      if (++splits > kRankedChoices) return false;
      nodes.push_back(reader.Child(node));
      nodes.push_back(reader.Child(node) + 1);
    }
    tree.choices = static_cast<uint32_t>(splits);
    std::vector<uint16_t> line(nodes.size());
    uint16_t next_leaf = 0, next_choice = kRankedLeaves;
    for (size_t i = nodes.size(); i-- > 0;) {
      const uint32_t node = nodes[i];
      if (children[i] == 0) {
        line[i] = next_leaf++;
        const T value = reader.Threshold(node);
        if (flat.leaf_kind == LeafKind::kVector) {
          leaf_places_.push_back(ThresholdAsIndex(value));
        } else {
          leaf_values_.push_back(flat.leaf_kind == LeafKind::kInline
                                     ? static_cast<double>(value)
                                     : flat.leaf_pool[ThresholdAsIndex(value)]);
        }
        continue;
      }
      line[i] = next_choice++;
      choices_.push_back({.rank = 0,
                          .slot = static_cast<uint16_t>(reader.Slot(node)),
                          .left = line[children[i]],
                          .right = line[children[i] + 1]});
      thresholds.push_back(reader.Threshold(node));
    }
    trees_.push_back(tree);
  }
  choices_.shrink_to_fit();
  return NumberThresholds(thresholds, flat.slots.size());
}

template <class T>
bool Ranked<T>::NumberThresholds(const std::vector<T>& thresholds, size_t slots) {
  std::vector<std::vector<Order>> of_slot(slots);
  for (size_t i = 0; i < choices_.size(); ++i) {
    of_slot[choices_[i].slot].push_back(OrderOf(thresholds[i]));
  }
  size_t most = 0;
  for (std::vector<Order>& values : of_slot) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    first_.push_back(static_cast<uint32_t>(thresholds_.size()));
    thresholds_.insert(thresholds_.end(), values.begin(), values.end());
    most = std::max(most, values.size());
  }
  first_.push_back(static_cast<uint32_t>(thresholds_.size()));
  if (most > kMostWide) return false;
  narrow_ = most <= kMostNarrow;
  for (size_t i = 0; i < choices_.size(); ++i) {
    const std::vector<Order>& values = of_slot[choices_[i].slot];
    const auto number =
        std::lower_bound(values.begin(), values.end(), OrderOf(thresholds[i])) - values.begin();
    choices_[i].rank = static_cast<int16_t>(number + (narrow_ ? kZero<int8_t> : kZero<int16_t>));
  }
  return true;
}

template <class T>
template <class R>
void Ranked<T>::RankRows(const T* slots, size_t n, R* ranks) const {
  const size_t width = first_.size() - 1;
  for (size_t slot = 1; slot < width; ++slot) {
    const Order* thresholds = thresholds_.data() + first_[slot];
    const size_t count = first_[slot + 1] - first_[slot];
    R* out = ranks + slot * kRankedRows;
    for (size_t row = 0; row < n; row += kSearches) {
      Order x[kSearches];
      size_t rank[kSearches];
      for (size_t k = 0; k < kSearches; ++k) {
        x[k] = OrderOf(slots[std::min(row + k, n - 1) * width + slot]);
      }
      CountBelow(thresholds, count, x, rank);
      for (size_t k = 0; k < kSearches; ++k) {
        out[Place<R>(row + k)] = static_cast<R>(static_cast<int>(rank[k]) + kZero<R>);
      }
    }
  }
}

template <class T>
void Ranked<T>::Rank(const T* slots, size_t n, std::byte* ranks) const {
  if (narrow_) {
    RankRows(slots, n, reinterpret_cast<int8_t*>(ranks));
  } else {
    RankRows(slots, n, reinterpret_cast<int16_t*>(ranks));
  }
}

template <class T>
const uint8_t* Ranked<T>::FindLeaves(size_t tree, const std::byte* ranks,
                                     RankedLines& lines) const {
  const RankedTree& at = trees_[tree];
  if (at.choices == 0) return lines.line[0];
  const RankedChoice* choices = choices_.data() + at.first_choice;
  if (narrow_) {
    ChooseAll(choices, at.choices, reinterpret_cast<const int8_t*>(ranks), lines);
  } else {
    ChooseAll(choices, at.choices, reinterpret_cast<const int16_t*>(ranks), lines);
  }
  return lines.line[kRankedLeaves + at.choices - 1];
}

template class Ranked<float>;
template class Ranked<double>;

}  // namespace kinglet::runtimes::trees
