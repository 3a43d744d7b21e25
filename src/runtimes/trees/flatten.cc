#include "runtimes/trees/flat.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>

namespace kinglet::runtimes::trees {
namespace {

// Levels of children that a block has: 2 + 4 + 8 nodes.
constexpr uint32_t kBlockLevels = 3;

// A node placed in the flat array, before its width is chosen.
template <class T>
struct Placed {
  T threshold;
  uint32_t child;
  uint32_t slot;
};

struct SlotHash {
  size_t operator()(const Slot& slot) const {
    return (size_t{slot.feature} << 8 | size_t(slot.kind) << 4 | size_t(slot.missing) << 1 |
            size_t{slot.missing_left}) *
           0x9e37'79b9'7f4a'7c15;
  }
};

template <class T>
class Flattener {
 public:
  explicit Flattener(ForestSpec<T> spec) : spec_(std::move(spec)) {}

  Result<Flat<T>> Run() {
    flat_.features = spec_.features;
    flat_.outputs = spec_.outputs;
    flat_.float_sums = spec_.float_sums;
    leaf_width_ = spec_.vector_leaves ? spec_.outputs : 1;
    if (spec_.outputs == 0) return Fail(Code::kInvalidArgument, "the forest has no outputs");
    if (spec_.features > kIndexLimit || spec_.outputs > kIndexLimit) {
      return Fail(Code::kInvalidArgument, "the forest has {} features and {} outputs, too many",
                  spec_.features, spec_.outputs);
    }
    flat_.leaf_kind = ChooseLeafKind();
    slots_.push_back(Slot{});  // the constant
    // Node 0: a leaf of no tree, where walks that are only there to fill up stand.
    nodes_.push_back({IndexAsThreshold<T>(0), 0, 0});
    for (size_t i = 0; i < spec_.trees.size(); ++i) {
      if (Status status = AddTree(spec_.trees[i]); !status) {
        return Unexpected(status.error().WithContext(fmt::format("tree {}", i)));
      }
      spec_.trees[i] = {};  // a large forest is not kept twice
    }
    SortSlots();
    Pack();
    return std::move(flat_);
  }

 private:
  LeafKind ChooseLeafKind() const {
    if (spec_.vector_leaves) return LeafKind::kVector;
    if constexpr (sizeof(T) == 4) {
      for (const Tree<T>& tree : spec_.trees) {
        for (double value : tree.leaf_values) {
          // NaN as well must be pooled: a leaf's threshold is compared.
          if (static_cast<double>(static_cast<float>(value)) != value) return LeafKind::kPooled;
        }
      }
      return LeafKind::kInline;
    } else {
      for (const Tree<T>& tree : spec_.trees) {
        for (double value : tree.leaf_values) {
          if (std::isnan(value)) return LeafKind::kPooled;
        }
      }
      return LeafKind::kInline;
    }
  }

  Status CheckNode(const Tree<T>& tree, size_t index) const {
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
    if (node.feature < 0 || static_cast<size_t>(node.feature) >= spec_.features) {
      return Fail(Code::kInvalidArgument, "node {} splits on feature {}, the model has {}", index,
                  node.feature, spec_.features);
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

  Status AddTree(const Tree<T>& tree) {
    if (tree.nodes.empty()) return Fail(Code::kInvalidArgument, "has no nodes");
    if (tree.output < 0 || static_cast<size_t>(tree.output) >= spec_.outputs) {
      return Fail(Code::kInvalidArgument, "adds to output {} of {}", tree.output, spec_.outputs);
    }
    if (nodes_.size() + tree.nodes.size() + 1 >= kIndexLimit) {
      return Fail(Code::kInvalidArgument, "the forest has too many nodes");
    }
    set_offsets_.clear();

    // In blocks of a few levels, each breadth first, a block's descendants after it: a path down a
    // deep tree then touches fewer cache lines than through whole levels.
    struct Pending {
      int32_t node;
      uint32_t place;
      uint32_t level;  // in the block
    };
    std::vector<Pending> blocks = {{0, static_cast<uint32_t>(nodes_.size()), 0}}, block;
    std::vector<bool> seen(tree.nodes.size());
    seen[0] = true;
    nodes_.emplace_back();
    const FlatTree flat{blocks[0].place, static_cast<uint32_t>(tree.output)};
    while (!blocks.empty()) {
      block.assign(1, blocks.back());
      blocks.pop_back();
      for (size_t i = 0; i < block.size(); ++i) {
        const Pending at = block[i];
        const Node<T>& node = tree.nodes[at.node];
        KINGLET_RETURN_IF_ERROR(CheckNode(tree, at.node));
        if (node.left == -1) {
          KINGLET_TRY(T value, Leaf(tree, node));
          nodes_[at.place] = {value, at.place, 0};
          continue;
        }
        if (at.level == kBlockLevels) {
          blocks.push_back({at.node, at.place, 0});
          continue;
        }
        const uint32_t child = static_cast<uint32_t>(nodes_.size());
        for (int32_t next : {node.left, node.right}) {
          if (seen[next]) {
            return Fail(Code::kInvalidArgument, "node {} is reached twice: this is not a tree",
                        next);
          }
          seen[next] = true;
          block.push_back({next, static_cast<uint32_t>(nodes_.size()), at.level + 1});
          nodes_.emplace_back();
        }
        nodes_[at.place] = Split(tree, node, child);
      }
    }
    flat_.trees.push_back(flat);
    return {};
  }

  Placed<T> Split(const Tree<T>& tree, const Node<T>& node, uint32_t child) {
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

  uint32_t SlotIndex(const Slot& slot) {
    auto [it, added] = slot_index_.try_emplace(slot, static_cast<uint32_t>(slots_.size()));
    if (added) slots_.push_back(slot);
    return it->second;
  }

  uint32_t CategorySet(const Tree<T>& tree, const Node<T>& node) {
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

  Result<T> Leaf(const Tree<T>& tree, const Node<T>& node) {
    const double* values = tree.leaf_values.data() + node.leaf;
    if (flat_.leaf_kind == LeafKind::kInline) return static_cast<T>(values[0]);
    // Equal leaves share their values: a classifier's grown trees have few different ones, which
    // then stay in the cache.
    std::string key(reinterpret_cast<const char*>(values), leaf_width_ * sizeof(double));
    auto [it, added] = leaf_index_.try_emplace(std::move(key), 0);
    if (added) {
      if (flat_.leaf_pool.size() + leaf_width_ >= kIndexLimit) {
        return Fail(Code::kInvalidArgument, "the forest has too many leaf values");
      }
      it->second = static_cast<uint32_t>(flat_.leaf_pool.size());
      flat_.leaf_pool.insert(flat_.leaf_pool.end(), values, values + leaf_width_);
    }
    return IndexAsThreshold<T>(it->second);
  }

  // Category slots last, the others by feature, so that expanding reads a row from front to back.
  void SortSlots() {
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
    for (Placed<T>& node : nodes_) node.slot = renamed[node.slot];
  }

  void Pack() {
    flat_.slot_bits = std::bit_width(flat_.slots.size() - 1);
    flat_.compact = sizeof(T) == 4 && flat_.slot_bits + std::bit_width(nodes_.size()) <= 32;
    if (flat_.compact) {
      flat_.compact_nodes.reserve(nodes_.size());
      for (const Placed<T>& node : nodes_) {
        flat_.compact_nodes.push_back(
            {static_cast<float>(node.threshold), node.child << flat_.slot_bits | node.slot});
      }
    } else {
      flat_.wide_nodes.reserve(nodes_.size());
      for (const Placed<T>& node : nodes_) {
        flat_.wide_nodes.push_back({node.threshold, node.child, node.slot});
      }
    }
  }

  ForestSpec<T> spec_;
  Flat<T> flat_;
  size_t leaf_width_ = 1;
  std::vector<Placed<T>> nodes_;
  std::vector<Slot> slots_;
  std::unordered_map<Slot, uint32_t, SlotHash> slot_index_;
  std::unordered_map<uint32_t, uint32_t> set_offsets_;  // of the tree at hand
  std::unordered_map<std::string, uint32_t> leaf_index_;
};

}  // namespace

template <class T>
Result<Flat<T>> Flatten(ForestSpec<T> spec) {
  return Flattener<T>(std::move(spec)).Run();
}

template Result<Flat<float>> Flatten(ForestSpec<float>);
template Result<Flat<double>> Flatten(ForestSpec<double>);

}  // namespace kinglet::runtimes::trees
