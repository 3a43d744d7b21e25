// Walking down trees. Internal to trees/.
//
// One step of one walk is a chain of two loads and a comparison; the processor overlaps walks that
// do not depend on each other, so kTreesTogether of them are taken a step at a time.
#pragma once

#include "runtimes/trees/flat.h"

namespace kinglet::runtimes::trees {

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

// Takes K walks `depth` steps down. `row(k)` gives the slots of the k-th walk.
template <size_t K, class Reader, class Rows>
inline void Descend(const Reader& reader, const Rows& row, uint32_t depth, uint32_t (&at)[K]) {
  for (uint32_t step = 0; step < depth; ++step) {
#pragma clang loop unroll(full)
    for (size_t k = 0; k < K; ++k) {
      const uint32_t node = at[k];
      at[k] = reader.Child(node) + (row(k)[reader.Slot(node)] > reader.Threshold(node));
    }
  }
}

// The same where some splits are on categories.
template <size_t K, class Reader, class Rows>
inline void DescendCategories(const Reader& reader, uint32_t first_category_slot,
                              const uint32_t* category_pool, const Rows& row, uint32_t depth,
                              uint32_t (&at)[K]) {
  for (uint32_t step = 0; step < depth; ++step) {
#pragma clang loop unroll(full)
    for (size_t k = 0; k < K; ++k) {
      const uint32_t node = at[k];
      const uint32_t slot = reader.Slot(node);
      const auto x = row(k)[slot];
      bool right;
      if (slot < first_category_slot) {
        right = x > reader.Threshold(node);
      } else {
        const uint32_t* set = category_pool + ThresholdAsIndex(reader.Threshold(node));
        const int64_t category = static_cast<int64_t>(x);
        if (category < 0) {
          right = (set[0] & 1) == 0;
        } else {
          const uint32_t word = static_cast<uint32_t>(category >> 5);
          right = word >= set[0] >> 1 || ((set[1 + word] >> (category & 31)) & 1) == 0;
        }
      }
      at[k] = reader.Child(node) + right;
    }
  }
}

}  // namespace kinglet::runtimes::trees
