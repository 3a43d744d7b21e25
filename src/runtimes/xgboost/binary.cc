// The binary format of XGBoost's save_model up to 2.0 (the default for every name but .json and
// .ubj before 2.1): C structures, little-endian, one after the other.
#include <cstring>

#include "runtimes/xgboost/description.h"

namespace kinglet::runtimes::xgboost {
namespace {

constexpr size_t kLearnerBytes = 136;  // the learner's parameters
constexpr size_t kGbtreeBytes = 160;
constexpr size_t kLinearBytes = 136;
constexpr size_t kTreeBytes = 148;
constexpr size_t kNodeBytes = 20;
constexpr size_t kStatisticsBytes = 16;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  // `size` bytes, of which the caller reads parts.
  Result<std::string_view> Take(uint64_t size) {
    if (size > bytes_.size() - at_) {
      return Fail(Code::kInvalidArgument, "the file ends at byte {}, {} more were expected",
                  bytes_.size(), size);
    }
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }

  template <class T>
  Result<T> Read() {
    KINGLET_TRY(const std::string_view raw, Take(sizeof(T)));
    return Get<T>(raw, 0);
  }

  Result<std::string_view> ReadString() {
    KINGLET_TRY(const uint64_t size, Read<uint64_t>());
    return Take(size);
  }

  Status ReadFloats(std::vector<float>& out) {
    KINGLET_TRY(const uint64_t count, Read<uint64_t>());
    if (count > bytes_.size()) return Fail(Code::kInvalidArgument, "an array of {} values", count);
    KINGLET_TRY(const std::string_view raw, Take(count * sizeof(float)));
    out.resize(count);
    if (count > 0) std::memcpy(out.data(), raw.data(), raw.size());
    return {};
  }

  template <class T>
  static T Get(std::string_view raw, size_t at) {
    T value;
    std::memcpy(&value, raw.data() + at, sizeof(T));
    return value;
  }

 private:
  const std::string_view bytes_;
  size_t at_ = 0;
};

Result<trees::Tree<float>> ReadTree(Reader& reader) {
  KINGLET_TRY(const std::string_view param, reader.Take(kTreeBytes));
  const int32_t count = Reader::Get<int32_t>(param, 4);
  const int32_t leaf_vector = Reader::Get<int32_t>(param, 20);
  if (count < 1) return Fail(Code::kInvalidArgument, "has {} nodes", count);
  if (leaf_vector > 1) return Fail(Code::kUnimplemented, "leaf vectors in the binary format");
  KINGLET_TRY(const std::string_view nodes, reader.Take(uint64_t(count) * kNodeBytes));
  KINGLET_RETURN_IF_ERROR(reader.Take(uint64_t(count) * kStatisticsBytes));
  trees::Tree<float> tree;
  tree.nodes.resize(count);
  for (int32_t i = 0; i < count; ++i) {
    // parent, left, right, feature with "missing goes left" in the top bit, threshold or value
    const std::string_view raw = nodes.substr(i * kNodeBytes, kNodeBytes);
    trees::Node<float>& node = tree.nodes[i];
    const float value = Reader::Get<float>(raw, 16);
    node.left = Reader::Get<int32_t>(raw, 4);
    if (node.left == -1) {
      node.leaf = static_cast<int32_t>(tree.leaf_values.size());
      tree.leaf_values.push_back(value);
      continue;
    }
    const uint32_t feature = Reader::Get<uint32_t>(raw, 12);
    node.right = Reader::Get<int32_t>(raw, 8);
    node.feature = static_cast<int32_t>(feature & 0x7fff'ffffu);
    node.missing_left = feature >> 31;
    node.threshold = LessThan(value);
  }
  return tree;
}

Status ReadTrees(Reader& reader, bool dart, Description& out) {
  KINGLET_TRY(const std::string_view param, reader.Take(kGbtreeBytes));
  const int32_t count = Reader::Get<int32_t>(param, 0);
  if (count < 0) return Fail(Code::kInvalidArgument, "the model has {} trees", count);
  for (int32_t i = 0; i < count; ++i) {
    auto tree = ReadTree(reader);
    if (!tree) return Unexpected(tree.error().WithContext(fmt::format("tree {}", i)));
    out.forest.trees.push_back(std::move(*tree));
  }
  for (trees::Tree<float>& tree : out.forest.trees) {
    KINGLET_TRY(tree.output, reader.Read<int32_t>());
  }
  if (dart && count > 0) {
    std::vector<float> weights;
    KINGLET_RETURN_IF_ERROR(reader.ReadFloats(weights));
    if (weights.size() != out.forest.trees.size()) {
      return Fail(Code::kInvalidArgument, "dart has {} weights for {} trees", weights.size(),
                  count);
    }
    for (size_t i = 0; i < weights.size(); ++i) {
      for (double& value : out.forest.trees[i].leaf_values) {
        value = static_cast<float>(value) * weights[i];
      }
    }
  }
  out.forest.features = out.features;
  out.forest.outputs = out.outputs;
  out.forest.float_sums = true;
  return {};
}

std::string_view WithoutMagic(std::string_view bytes) {
  if (bytes.starts_with("binf")) bytes.remove_prefix(4);
  return bytes;
}

}  // namespace

bool LooksLikeBinary(std::string_view head) {
  head = WithoutMagic(head);
  // The objective's name follows the parameters.
  if (head.size() < kLearnerBytes + 8 + 4) return false;
  const uint64_t length = Reader::Get<uint64_t>(head, kLearnerBytes);
  if (length < 4 || length > 64) return false;
  const std::string_view name = head.substr(kLearnerBytes + 8, length);
  return name.find(':') != std::string_view::npos &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz:") == std::string_view::npos;
}

Result<Description> ReadBinary(std::string_view bytes, Budget& budget) {
  Reader reader(WithoutMagic(bytes));
  Description out;
  KINGLET_TRY(const std::string_view param, reader.Take(kLearnerBytes));
  const float base_score = Reader::Get<float>(param, 0);
  out.features = Reader::Get<uint32_t>(param, 4);
  const int32_t classes = Reader::Get<int32_t>(param, 8);
  const uint32_t major_version = Reader::Get<uint32_t>(param, 20);
  const uint32_t targets = Reader::Get<uint32_t>(param, 28);
  KINGLET_TRY(const std::string_view objective, reader.ReadString());
  KINGLET_TRY(out.objective, FindObjective(objective));
  KINGLET_TRY(const std::string_view booster, reader.ReadString());
  // Before 1.0 the margin itself was saved.
  if (major_version < 1) out.objective.to_margin = ToMargin::kIdentity;
  KINGLET_RETURN_IF_ERROR(SetOutputs(out, classes, targets, {base_score}, budget));
  if (booster == "gblinear") {
    KINGLET_RETURN_IF_ERROR(reader.Take(kLinearBytes));
    out.linear = true;
    KINGLET_RETURN_IF_ERROR(reader.ReadFloats(out.weights));
    if (out.weights.size() != (out.features + 1) * out.outputs) {
      return Fail(Code::kInvalidArgument, "gblinear has {} weights for {} features and {} outputs",
                  out.weights.size(), out.features, out.outputs);
    }
    return out;
  }
  if (booster != "gbtree" && booster != "dart") {
    return Fail(Code::kUnimplemented, "XGBoost booster \"{}\" is not supported",
                booster.substr(0, 40));
  }
  KINGLET_RETURN_IF_ERROR(ReadTrees(reader, booster == "dart", out));
  return out;
}

}  // namespace kinglet::runtimes::xgboost
