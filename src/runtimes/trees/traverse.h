// Walking down trees. Internal to trees/.
//
// One step of one walk is a chain of two loads and a comparison; the processor overlaps walks that
// do not depend on each other, so kTogether of them are taken a step at a time. A single row walks
// down many trees so, a batch of rows down one tree after the other.
#pragma once

#include <type_traits>

#include "runtimes/trees/flat.h"

namespace kinglet::runtimes::trees {

inline constexpr size_t kTogether = 8;
inline constexpr int kStepsTogether = 4;

// Reads 8-byte nodes.
struct CompactReader {
  using Value = float;
  const CompactNode* nodes;
  uint32_t slot_bits;
  uint32_t slot_mask;

  explicit CompactReader(const Flat<float>& flat)
      : nodes(flat.compact_nodes.data()),
        slot_bits(flat.slot_bits),
        slot_mask((1u << flat.slot_bits) - 1) {}
  uint32_t Slot(uint32_t at) const { return nodes[at].link & slot_mask; }
  uint32_t Child(uint32_t at) const { return nodes[at].link >> slot_bits; }
  float Threshold(uint32_t at) const { return nodes[at].threshold; }
};

template <class T>
struct WideReader {
  using Value = T;
  const WideNode<T>* nodes;

  explicit WideReader(const Flat<T>& flat) : nodes(flat.wide_nodes.data()) {}
  uint32_t Slot(uint32_t at) const { return nodes[at].slot; }
  uint32_t Child(uint32_t at) const { return nodes[at].child; }
  T Threshold(uint32_t at) const { return nodes[at].threshold; }
};

// One step down from `node`; a leaf leads to itself.
template <class Reader>
struct NumericStep {
  Reader reader;
  explicit NumericStep(const Flat<typename Reader::Value>& flat) : reader(flat) {}
  uint32_t operator()(uint32_t node, const typename Reader::Value* row) const {
    return reader.Child(node) + (row[reader.Slot(node)] > reader.Threshold(node));
  }
};

// The same where some splits are on categories.
template <class Reader>
struct CategoryStep {
  Reader reader;
  uint32_t first_category_slot;
  const uint32_t* category_pool;

  explicit CategoryStep(const Flat<typename Reader::Value>& flat)
      : reader(flat),
        first_category_slot(flat.first_category_slot),
        category_pool(flat.category_pool.data()) {}
  uint32_t operator()(uint32_t node, const typename Reader::Value* row) const {
    const uint32_t slot = reader.Slot(node);
    const auto x = row[slot];
    if (slot < first_category_slot) return reader.Child(node) + (x > reader.Threshold(node));
    const uint32_t* set = category_pool + ThresholdAsIndex(reader.Threshold(node));
    const int64_t category = static_cast<int64_t>(x);
    if (category < 0) return reader.Child(node) + ((set[0] & 1) == 0);
    const uint32_t word = static_cast<uint32_t>(category >> 5);
    const bool in_set = word < set[0] >> 1 && (set[1 + word] >> (category & 31)) & 1;
    return reader.Child(node) + !in_set;
  }
};

// Walks at most kMostWalks at a time, to leaves.
//
// Paths differ much in length (LightGBM's trees: 4 steps on average, 18 at most), so after every
// few steps the walks that have arrived are taken out; the rest are packed together again, without
// a branch on the outcome, which could not be predicted.
inline constexpr size_t kMostWalks = 512;

struct Walks {
  // In: where each walk starts; out: its leaf. One more, for padding.
  uint32_t at[kMostWalks + 1];
  uint32_t active[kMostWalks + kTogether];
};

// `row(i)` gives the slots of walk i.
template <class Step, class Row>
inline void WalkToLeaves(const Step& step, const Row& row, size_t count, Walks& walks) {
  using T = std::remove_cvref_t<decltype(*row(0))>;
  walks.at[count] = 0;  // node 0 is a leaf that belongs to no tree
  for (size_t i = 0; i < count; ++i) walks.active[i] = static_cast<uint32_t>(i);
  size_t left = count;
  while (left > 0) {
    for (size_t k = 0; k < kTogether; ++k) walks.active[left + k] = static_cast<uint32_t>(count);
    size_t still = 0;
    for (size_t i = 0; i < left; i += kTogether) {
      uint32_t walk[kTogether], node[kTogether];
      const T* slots[kTogether];
#pragma clang loop unroll(full)
      for (size_t k = 0; k < kTogether; ++k) {
        walk[k] = walks.active[i + k];
        node[k] = walks.at[walk[k]];
        slots[k] = row(walk[k]);
      }
      for (int steps = 0; steps < kStepsTogether; ++steps) {
#pragma clang loop unroll(full)
        for (size_t k = 0; k < kTogether; ++k) node[k] = step(node[k], slots[k]);
      }
#pragma clang loop unroll(full)
      for (size_t k = 0; k < kTogether; ++k) {
        walks.at[walk[k]] = node[k];
        walks.active[still] = walk[k];
        still += step.reader.Slot(node[k]) != 0;  // only leaves look at the constant slot
      }
    }
    left = still;
  }
}

}  // namespace kinglet::runtimes::trees
