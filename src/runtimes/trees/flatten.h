// From trees as loaders describe them to the flat form, tree by tree. Internal to trees/.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/seeded_hash.h"
#include "runtimes/trees/flat.h"

namespace kinglet::runtimes::trees {

// Leaf values, `width` a leaf. Equal leaves share theirs: a classifier's grown trees have few
// different ones, which then stay in the cache.
class LeafPool {
 public:
  explicit LeafPool(size_t width) : width_(width) {}
  // Where they lie; adds them where there are none like them.
  uint32_t Add(const double* values);
  // Brings the place in the table that Add will look at into the cache.
  void Prefetch(const double* values) const {
    if (!table_.empty()) __builtin_prefetch(&table_[HashOf(values) & (table_.size() - 1)]);
  }
  size_t size() const { return values_.size(); }
  std::vector<double> Take() { return std::move(values_); }

 private:
  static constexpr uint32_t kFree = std::numeric_limits<uint32_t>::max();
  // With the hash, so that neither growing nor passing by has to look at the values.
  struct Entry {
    uint32_t place, hash;
  };
  uint32_t HashOf(const double* values) const;
  bool IsSame(const double* a, const double* b) const;
  void Grow();

  const uint64_t secret_ = HashSecret();
  size_t width_;
  std::vector<double> values_;
  std::vector<Entry> table_;  // open addressing; a power of two
  size_t used_ = 0;
};

template <class T>
class Flattener {
 public:
  Flattener(const ForestShape& shape, Budget& budget);

  Status CheckShape() const;
  // As ForestBuilder::Add.
  Status Add(const Tree<T>& tree);
  Flat<T> Finish();

 private:
  // A node placed in the flat array, before its width is chosen.
  struct Placed {
    T threshold;
    uint32_t child;
    uint32_t slot;
  };
  struct Pending {
    int32_t node;
    uint32_t place;
    uint32_t level;  // in the block
  };
  struct SlotHash {
    size_t operator()(const Slot& slot) const;
    uint64_t secret = HashSecret();
  };

  Status AddTree(const Tree<T>& tree);
  Status CheckNode(const Tree<T>& tree, size_t index) const;
  Placed Split(const Tree<T>& tree, const Node<T>& node, uint32_t child);
  uint32_t SlotIndex(const Slot& slot);
  uint32_t CategorySet(const Tree<T>& tree, const Node<T>& node);
  Result<T> Leaf(const Tree<T>& tree, const Node<T>& node);
  void PrefetchLeaves(const Tree<T>& tree) const;
  void PoolLeaves();
  void SortSlots();
  void Pack();

  Budget* budget_;
  Flat<T> flat_;
  size_t leaf_width_ = 1;
  LeafPool pool_;
  std::vector<Placed> nodes_;
  std::vector<Slot> slots_;
  std::array<uint32_t, 256> recent_slots_ = {};
  std::unordered_map<Slot, uint32_t, SlotHash> slot_index_;
  // Of the tree at hand.
  std::unordered_map<uint32_t, uint32_t> set_offsets_;
  std::vector<Pending> blocks_, block_;
  std::vector<bool> seen_;
};

extern template class Flattener<float>;
extern template class Flattener<double>;

}  // namespace kinglet::runtimes::trees
