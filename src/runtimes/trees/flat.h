// The flat form of a forest, what traversal reads. Internal to trees/.
//
// Nodes of all trees lie in one array; a node's children are adjacent, so that one index and the
// outcome of one comparison give the next node. A leaf is its own left child and always goes left:
// rows that arrive early wait there, and a few steps can be taken without a test for leaves.
//
// Before traversal a row is expanded into slots, which takes the treatment of missing values out of
// the inner loop: each way a forest looks at a feature is a slot, e.g. "feature 3, NaN goes right"
// holds the value, or +inf for NaN. Slot 0 is the constant -inf (leaves compare it, so they may
// keep their value in the threshold's place).
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "runtimes/trees/forest.h"

namespace kinglet::runtimes::trees {

// A way of looking at a feature.
struct Slot {
  enum class Kind : uint8_t {
    kValue,     // the value; what is missing becomes -inf or +inf by `missing_left`
    kMissing,   // 1 where it is missing, else 0: for splits of everything against missing
    kCategory,  // the category number; -1: missing; a number over every set: no category
  };
  uint32_t feature = 0;
  Kind kind = Kind::kValue;
  Missing missing = Missing::kNan;
  bool missing_left = false;

  bool operator==(const Slot&) const = default;
};

// 8 bytes: the child's index in the upper bits of `link`, the slot in the lower ones; how many is
// the forest's choice. Used where both fit.
struct CompactNode {
  float threshold;
  uint32_t link;
};
template <class T>
struct WideNode {
  T threshold;
  uint32_t child;
  uint32_t slot;
};

struct FlatTree {
  uint32_t root = 0;
  uint32_t output = 0;
};

// How a leaf's value is found.
enum class LeafKind : uint8_t {
  kInline,  // in the threshold's place
  kPooled,  // the threshold's bits are an index into leaf_pool
  kVector,  // as kPooled, `outputs` values from there
};

template <class T>
struct Flat {
  size_t features = 0;
  size_t outputs = 1;
  bool float_sums = false;
  LeafKind leaf_kind = LeafKind::kInline;
  size_t tree_count = 0;             // without padding
  std::vector<FlatTree> trees;       // a multiple of kTreesTogether
  std::vector<Slot> slots;           // slots[0] is the constant
  uint32_t first_category_slot = 0;  // slots from here on are of kCategory
  bool compact = false;
  uint32_t slot_bits = 0;
  std::vector<CompactNode> compact_nodes;
  std::vector<WideNode<T>> wide_nodes;
  std::vector<double> leaf_pool;
  // A set is one word (its number of words * 2 + missing goes left), then its words.
  std::vector<uint32_t> category_pool;
};

// Indices are kept in the place of a threshold, as the bits of a normal number: comparing one with
// the constant slot is then neither NaN nor a slow subnormal.
template <class T>
T IndexAsThreshold(uint32_t index) {
  if constexpr (sizeof(T) == 4) {
    return std::bit_cast<float>(index + 0x0080'0000u);
  } else {
    return std::bit_cast<double>(index + (uint64_t{1} << 52));
  }
}
template <class T>
uint32_t ThresholdAsIndex(T threshold) {
  if constexpr (sizeof(T) == 4) {
    return std::bit_cast<uint32_t>(threshold) - 0x0080'0000u;
  } else {
    return static_cast<uint32_t>(std::bit_cast<uint64_t>(threshold) - (uint64_t{1} << 52));
  }
}
// Indices below this survive the two functions above.
inline constexpr size_t kIndexLimit = 0x7f00'0000;

}  // namespace kinglet::runtimes::trees
