// A forest for batches. Internal to trees/.
//
// The thresholds that nodes compare a slot with are numbered in ascending order, and a value of the
// slot is replaced by its rank: how many of the thresholds it is above. "x > threshold" is then
// "rank > number", on integers of one or two bytes, of which vector instructions compare dozens at
// once. A tree becomes a list of choices, children before parents: for each of 64 rows a choice
// takes the leaf number that its left or its right child has chosen. All nodes of a tree are looked
// at, also those that no row would come by: for trees of a few hundred leaves that costs much less
// than to walk, which waits for memory and mispredicts at each step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "runtimes/trees/flat.h"

namespace kinglet::runtimes::trees {

inline constexpr size_t kRankedRows = 64;      // in a block
inline constexpr size_t kRankedLeaves = 256;   // of a tree: a leaf's number is one byte
inline constexpr size_t kRankedChoices = 255;  // of a tree

// What choices have chosen: a line is one byte a row. The first lines hold their own number
// throughout, which stands for a leaf; then comes one line a choice. One thread's scratch memory.
struct RankedLines {
  RankedLines();
  alignas(64) uint8_t line[kRankedLeaves + kRankedChoices][kRankedRows];
};

struct RankedChoice {
  int16_t rank;
  uint16_t slot;
  uint16_t left, right;  // lines
};

struct RankedTree {
  uint32_t first_choice = 0, choices = 0;
  uint32_t first_leaf = 0;
};

template <class T>
class Ranked {
 public:
  // Nothing is made (the result is empty) of a forest with splits on categories, with trees of too
  // many leaves, or with more thresholds a slot than two bytes can number.
  static Ranked Make(const Flat<T>& flat);

  bool empty() const { return trees_.empty(); }

  // Bytes that Rank writes for a block.
  size_t rank_bytes() const { return (first_.size() - 1) * kRankedRows * (narrow_ ? 1 : 2); }

  // The ranks of n <= kRankedRows rows, whose slots lie one row after the other.
  void Rank(const T* slots, size_t n, std::byte* ranks) const;

  // The number of each row's leaf in a tree, one byte a row; valid until the next call.
  const uint8_t* FindLeaves(size_t tree, const std::byte* ranks, RankedLines& lines) const;

  // By leaf number: the leaf's value, or where its values begin in the forest's pool.
  const double* LeafValues(size_t tree) const {
    return leaf_values_.data() + trees_[tree].first_leaf;
  }
  const uint32_t* LeafPlaces(size_t tree) const {
    return leaf_places_.data() + trees_[tree].first_leaf;
  }

 private:
  // A value as an integer of the same order, in which -0 is 0: integers compare faster.
  using Order = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  static Order OrderOf(T x);

  template <class Reader>
  bool AddTrees(const Flat<T>& flat, const Reader& reader);
  bool NumberThresholds(const std::vector<T>& thresholds, size_t slots);
  template <class R>
  void RankRows(const T* slots, size_t n, R* ranks) const;

  bool narrow_ = false;  // ranks take one byte
  std::vector<RankedTree> trees_;
  std::vector<RankedChoice> choices_;
  // A slot's thresholds are first_[slot] to first_[slot + 1], ascending.
  std::vector<uint32_t> first_;
  std::vector<Order> thresholds_;
  std::vector<double> leaf_values_;    // scalar leaves
  std::vector<uint32_t> leaf_places_;  // vector leaves
};

extern template class Ranked<float>;
extern template class Ranked<double>;

}  // namespace kinglet::runtimes::trees
