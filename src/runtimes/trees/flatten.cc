#include "runtimes/trees/flatten.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace kinglet::runtimes::trees {
namespace {

// Levels of children that a block has: 2 + 4 + 8 nodes.
constexpr uint32_t kBlockLevels = 3;

// What a node and a tree take: their places in the flat arrays before and after packing, and in
// the ranked form.
constexpr uint64_t kNodeBytes = 48, kTreeBytes = 64;

// Whether T holds a leaf's value as it is, where a node has its threshold. NaN has to be pooled as
// well: a leaf's threshold is compared.
template <class T>
bool FitsInline(double value) {
  return static_cast<double>(static_cast<T>(value)) == value;
}

}  // namespace

uint32_t LeafPool::Add(const double* values) {
  if (2 * (used_ + 1) > table_.size()) Grow();
  const uint32_t hash = HashOf(values);
  for (size_t at = hash;; ++at) {
    Entry& entry = table_[at & (table_.size() - 1)];
    if (entry.place == kFree) {
      entry = {static_cast<uint32_t>(values_.size()), hash};
      values_.insert(values_.end(), values, values + width_);
      ++used_;
      return entry.place;
    }
    if (entry.hash == hash && IsSame(values_.data() + entry.place, values)) return entry.place;
  }
}

// As bits: NaN is the same as itself, and 0 is not -0. Most leaves differ in their first value.
bool LeafPool::IsSame(const double* a, const double* b) const {
  for (size_t i = 0; i < width_; ++i) {
    if (std::bit_cast<uint64_t>(a[i]) != std::bit_cast<uint64_t>(b[i])) return false;
  }
  return true;
}

uint32_t LeafPool::HashOf(const double* values) const {
  uint64_t hash = secret_;
  for (size_t i = 0; i < width_; ++i) {
    hash = HashWord(hash, std::bit_cast<uint64_t>(values[i]), secret_);
  }
  return static_cast<uint32_t>(FinishHash(hash, secret_));
}

void LeafPool::Grow() {
  const std::vector<Entry> old = std::move(table_);
  table_.assign(std::max<size_t>(64, old.size() * 2), {kFree, 0});
  for (const Entry& entry : old) {
    if (entry.place == kFree) continue;
    size_t at = entry.hash;
    while (table_[at & (table_.size() - 1)].place != kFree) ++at;
    table_[at & (table_.size() - 1)] = entry;
  }
}

template <class T>
size_t Flattener<T>::SlotHash::operator()(const Slot& slot) const {
  const uint64_t word = uint64_t{slot.feature} << 8 | uint64_t(slot.kind) << 4 |
                        uint64_t(slot.missing) << 1 | uint64_t{slot.missing_left};
  return FinishHash(HashWord(secret, word, secret), secret);
}

template <class T>
Flattener<T>::Flattener(const ForestShape& shape, Budget& budget)
    : budget_(&budget), pool_(shape.vector_leaves ? std::max<size_t>(shape.outputs, 1) : 1) {
  flat_.features = shape.features;
  flat_.outputs = shape.outputs;
  flat_.float_sums = shape.float_sums;
  flat_.leaf_kind = !shape.vector_leaves ? LeafKind::kInline
                    : shape.outputs == 1 ? LeafKind::kPooled
                                         : LeafKind::kVector;
  leaf_width_ = shape.vector_leaves ? shape.outputs : 1;
  slots_.push_back(Slot{});  // the constant
  // Node 0: a leaf of no tree, where walks that are only there to fill up stand.
  nodes_.push_back({IndexAsThreshold<T>(0), 0, 0});
}

template <class T>
Status Flattener<T>::CheckShape() const {
  if (flat_.outputs == 0) return Fail(Code::kInvalidArgument, "the forest has no outputs");
  if (flat_.features > kIndexLimit || flat_.outputs > kIndexLimit) {
    return Fail(Code::kInvalidArgument, "the forest has {} features and {} outputs, too many",
                flat_.features, flat_.outputs);
  }
  return {};
}

template <class T>
Status Flattener<T>::Add(const Tree<T>& tree) {
  KINGLET_RETURN_IF_ERROR(CheckShape());
  if (Status status = AddTree(tree); !status) {
    return Unexpected(status.error().WithContext(fmt::format("tree {}", flat_.trees.size())));
  }
  return {};
}

template <class T>
Flat<T> Flattener<T>::Finish() {
  SortSlots();
  Pack();
  flat_.leaf_pool = pool_.Take();
  return std::move(flat_);
}

template <class T>
Status Flattener<T>::CheckNode(const Tree<T>& tree, size_t index) const {
  const Node<T>& node = tree.nodes[index];
  if (node.left == -1 && node.right == -1) {
    if (node.leaf < 0 || static_cast<size_t>(node.leaf) + leaf_width_ > tree.leaf_values.size()) {
      return Fail(Code::kInvalidArgument, "leaf {} has no value", index);
    }
    return {};
  }
  auto outside = [&](int32_t child) {
    return child < 0 || static_cast<size_t>(child) >= tree.nodes.size();
  };
  if (outside(node.left) || outside(node.right)) {
    return Fail(Code::kInvalidArgument, "node {} has children {} and {} of {} nodes", index,
                node.left, node.right, tree.nodes.size());
  }
  if (node.feature < 0 || static_cast<size_t>(node.feature) >= flat_.features) {
    return Fail(Code::kInvalidArgument, "node {} splits on feature {}, the model has {}", index,
                node.feature, flat_.features);
  }
  if (node.category_set >= 0) {
    if (static_cast<size_t>(node.category_set) >= tree.category_sets.size()) {
      return Fail(Code::kInvalidArgument, "node {} names category set {} of {}", index,
                  node.category_set, tree.category_sets.size());
    }
  } else if (std::isnan(node.threshold)) {
    return Fail(Code::kInvalidArgument, "node {} has no threshold (NaN)", index);
  }
  return {};
}

template <class T>
Status Flattener<T>::AddTree(const Tree<T>& tree) {
  if (tree.nodes.empty()) return Fail(Code::kInvalidArgument, "has no nodes");
  if (tree.output < 0 || static_cast<size_t>(tree.output) >= flat_.outputs) {
    return Fail(Code::kInvalidArgument, "adds to output {} of {}", tree.output, flat_.outputs);
  }
  if (nodes_.size() + tree.nodes.size() + 1 >= kIndexLimit) {
    return Fail(Code::kInvalidArgument, "the forest has too many nodes");
  }
  KINGLET_RETURN_IF_ERROR(budget_->Allocate(kTreeBytes + tree.nodes.size() * kNodeBytes));
  set_offsets_.clear();
  if (flat_.leaf_kind != LeafKind::kInline) PrefetchLeaves(tree);

  // In blocks of a few levels, each breadth first, a block's descendants after it: a path down a
  // deep tree then touches fewer cache lines than through whole levels.
  blocks_.assign(1, {0, static_cast<uint32_t>(nodes_.size()), 0});
  seen_.assign(tree.nodes.size(), false);
  seen_[0] = true;
  nodes_.emplace_back();
  const FlatTree flat{blocks_[0].place, static_cast<uint32_t>(tree.output)};
  while (!blocks_.empty()) {
    block_.assign(1, blocks_.back());
    blocks_.pop_back();
    for (size_t i = 0; i < block_.size(); ++i) {
      const Pending at = block_[i];
      const Node<T>& node = tree.nodes[at.node];
      KINGLET_RETURN_IF_ERROR(CheckNode(tree, at.node));
      if (node.left == -1) {
        KINGLET_TRY(T value, Leaf(tree, node));
        nodes_[at.place] = {value, at.place, 0};
        continue;
      }
      if (at.level == kBlockLevels) {
        blocks_.push_back({at.node, at.place, 0});
        continue;
      }
      const uint32_t child = static_cast<uint32_t>(nodes_.size());
      for (int32_t next : {node.left, node.right}) {
        if (seen_[next]) {
          return Fail(Code::kInvalidArgument, "node {} is reached twice: this is not a tree", next);
        }
        seen_[next] = true;
        block_.push_back({next, static_cast<uint32_t>(nodes_.size()), at.level + 1});
        nodes_.emplace_back();
      }
      nodes_[at.place] = Split(tree, node, child);
    }
  }
  flat_.trees.push_back(flat);
  return {};
}

template <class T>
Flattener<T>::Placed Flattener<T>::Split(const Tree<T>& tree, const Node<T>& node, uint32_t child) {
  Slot slot{static_cast<uint32_t>(node.feature), Slot::Kind::kValue, node.missing,
            node.missing_left};
  if (node.category_set >= 0) {
    slot.kind = Slot::Kind::kCategory;
    slot.missing_left = false;  // kept with the set
    return {IndexAsThreshold<T>(CategorySet(tree, node)), child, SlotIndex(slot)};
  }
  if (node.missing == Missing::kNone) slot.missing_left = false;  // nothing is missing
  // +inf stands for "missing, to the right" only below a finite threshold.
  if (node.threshold == std::numeric_limits<T>::infinity() && !node.missing_left &&
      node.missing != Missing::kNone) {
    slot.kind = Slot::Kind::kMissing;
    return {T{0.5}, child, SlotIndex(slot)};
  }
  return {node.threshold, child, SlotIndex(slot)};
}

template <class T>
uint32_t Flattener<T>::SlotIndex(const Slot& slot) {
  // Neighbours ask for the same few again and again.
  uint32_t& recent = recent_slots_[slot_index_.hash_function()(slot) % recent_slots_.size()];
  if (recent != 0 && slots_[recent] == slot) return recent;
  auto [it, added] = slot_index_.try_emplace(slot, static_cast<uint32_t>(slots_.size()));
  if (added) slots_.push_back(slot);
  return recent = it->second;
}

template <class T>
uint32_t Flattener<T>::CategorySet(const Tree<T>& tree, const Node<T>& node) {
  const uint32_t key = static_cast<uint32_t>(node.category_set) * 2 + node.missing_left;
  auto [it, added] = set_offsets_.try_emplace(key, 0);
  if (added) {
    const std::vector<uint32_t>& set = tree.category_sets[node.category_set];
    it->second = static_cast<uint32_t>(flat_.category_pool.size());
    flat_.category_pool.push_back(static_cast<uint32_t>(set.size()) * 2 + node.missing_left);
    flat_.category_pool.insert(flat_.category_pool.end(), set.begin(), set.end());
  }
  return it->second;
}

template <class T>
Result<T> Flattener<T>::Leaf(const Tree<T>& tree, const Node<T>& node) {
  const double* values = tree.leaf_values.data() + node.leaf;
  if (flat_.leaf_kind == LeafKind::kInline) {
    if (FitsInline<T>(values[0])) return static_cast<T>(values[0]);
    PoolLeaves();
  }
  // Leaves may share one vector, which is compared as a whole for each of them.
  KINGLET_RETURN_IF_ERROR(budget_->Spend(leaf_width_));
  KINGLET_RETURN_IF_ERROR(budget_->Allocate(leaf_width_, sizeof(double)));
  if (pool_.size() + leaf_width_ >= kIndexLimit) {
    return Fail(Code::kInvalidArgument, "the forest has too many leaf values");
  }
  return IndexAsThreshold<T>(pool_.Add(values));
}

// The table of leaves is as large as the forest has different ones, and each leaf's place in it is
// a cache miss, which takes longer than all else that adding the leaf does.
template <class T>
void Flattener<T>::PrefetchLeaves(const Tree<T>& tree) const {
  constexpr size_t kWidest = 8;  // wider ones take longer to hash than to wait for
  if (leaf_width_ > kWidest) return;
  for (const Node<T>& node : tree.nodes) {
    const bool leaf = node.left == -1 && node.leaf >= 0;
    if (leaf && static_cast<size_t>(node.leaf) + leaf_width_ <= tree.leaf_values.size()) {
      pool_.Prefetch(tree.leaf_values.data() + node.leaf);
    }
  }
}

// One leaf does not fit: all are pooled, also those that are placed already.
template <class T>
void Flattener<T>::PoolLeaves() {
  flat_.leaf_kind = LeafKind::kPooled;
  for (size_t i = 1; i < nodes_.size(); ++i) {
    if (nodes_[i].slot != 0 || nodes_[i].child != i) continue;  // no leaf, or not filled in yet
    const double value = nodes_[i].threshold;
    nodes_[i].threshold = IndexAsThreshold<T>(pool_.Add(&value));
  }
}

// Category slots last, the others by feature, so that expanding reads a row from front to back.
template <class T>
void Flattener<T>::SortSlots() {
  std::vector<uint32_t> order(slots_.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin() + 1, order.end(), [&](uint32_t a, uint32_t b) {
    const bool category_a = slots_[a].kind == Slot::Kind::kCategory;
    const bool category_b = slots_[b].kind == Slot::Kind::kCategory;
    if (category_a != category_b) return category_b;
    return std::pair(slots_[a].feature, a) < std::pair(slots_[b].feature, b);
  });
  std::vector<uint32_t> renamed(slots_.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    renamed[order[i]] = i;
    flat_.slots.push_back(slots_[order[i]]);
  }
  flat_.first_category_slot = static_cast<uint32_t>(flat_.slots.size());
  for (uint32_t i = 1; i < flat_.slots.size(); ++i) {
    if (flat_.slots[i].kind == Slot::Kind::kCategory) {
      flat_.first_category_slot = i;
      break;
    }
  }
  for (Placed& node : nodes_) node.slot = renamed[node.slot];
}

template <class T>
void Flattener<T>::Pack() {
  flat_.slot_bits = std::bit_width(flat_.slots.size() - 1);
  flat_.compact = sizeof(T) == 4 && flat_.slot_bits + std::bit_width(nodes_.size()) <= 32;
  if (flat_.compact) {
    flat_.compact_nodes.reserve(nodes_.size());
    for (const Placed& node : nodes_) {
      flat_.compact_nodes.push_back(
          {static_cast<float>(node.threshold), node.child << flat_.slot_bits | node.slot});
    }
  } else {
    flat_.wide_nodes.reserve(nodes_.size());
    for (const Placed& node : nodes_) {
      flat_.wide_nodes.push_back({node.threshold, node.child, node.slot});
    }
  }
}

template class Flattener<float>;
template class Flattener<double>;

}  // namespace kinglet::runtimes::trees
