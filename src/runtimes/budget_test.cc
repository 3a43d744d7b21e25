// What loaders take out of a file's budget: real models far less than they may, and files made to
// cost much no more than the limit. Measured with the budget's own counters, not with a clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "runtimes/plugin.h"

namespace kinglet::runtimes {
namespace {

namespace fs = std::filesystem;

Plugin Named(std::string_view format) {
  for (const PluginEntry& entry : Plugins()) {
    if (entry.name == format) return entry.make();
  }
  ADD_FAILURE() << "no format " << format;
  return {};
}

bool IsModel(const Plugin& plugin, const fs::path& file) {
  const std::string name = file.filename().string();
  return !name.ends_with(".cases.json") && name != "expected.json" &&
         std::ranges::any_of(plugin.extensions, [&](auto end) { return name.ends_with(end); });
}

TEST(LoadBudget, RealModelsTakeLessThanATenth) {
  double most_bytes = 0, most_steps = 0;
  size_t models = 0;
  for (const std::string format : {"sklearn", "xgboost", "lightgbm"}) {
    const Plugin plugin = Named(format);
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(KINGLET_SOURCE_DIR) / "test/data" / format)) {
      if (!entry.is_regular_file() || !IsModel(plugin, entry.path())) continue;
      auto bytes = ReadFile(entry.path());
      ASSERT_TRUE(bytes);
      Budget budget = Budget::ForInput(bytes->size());
      auto model = plugin.load(std::move(*bytes), {}, budget);
      if (!model) {
        // Some fixtures are of kinds that are not supported.
        ASSERT_EQ(model.error().code(), Code::kUnimplemented)
            << entry.path() << model.error().message();
        continue;
      }
      ++models;
      const double part_of_bytes =
          static_cast<double>(budget.bytes_used()) / static_cast<double>(budget.limits().bytes);
      const double part_of_steps =
          static_cast<double>(budget.steps_used()) / static_cast<double>(budget.limits().steps);
      EXPECT_LT(part_of_bytes, 0.1) << entry.path();
      EXPECT_LT(part_of_steps, 0.1) << entry.path();
      most_bytes = std::max(most_bytes, part_of_bytes);
      most_steps = std::max(most_steps, part_of_steps);
    }
  }
  EXPECT_GT(models, 500u);
  RecordProperty("largest part of the memory", std::to_string(most_bytes));
  RecordProperty("largest part of the work", std::to_string(most_steps));
  fmt::print("{} models: at most {:.4f} of the memory and {:.4f} of the work\n", models, most_bytes,
             most_steps);
}

// Files of a few KiB whose cost does not depend on their size but on a limit.
struct Hostile {
  std::string_view name, format, reason;
  std::string bytes;
};

std::string Int32(uint32_t value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }

std::string Text(std::string_view text) {
  return "X" + Int32(static_cast<uint32_t>(text.size())) + std::string(text);
}

std::string Repeat(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// A Pipeline whose `steps` are `opcodes`.
std::string Pipeline(std::string_view opcodes) {
  return "csklearn.pipeline\nPipeline\n)\x81}" + Text("steps") + "](" + std::string(opcodes) +
         "esb";
}

// Each pipeline refers to the one before it twice.
std::string PipelinesOfPipelines(size_t levels) {
  std::string inner = "csklearn.preprocessing\nNormalizer\n)\x81}b";
  for (size_t i = 0; i < levels; ++i) {
    const std::string memo = Int32(static_cast<uint32_t>(i));
    const std::string step = "(" + Text("a");
    inner = Pipeline(step + inner + "r" + memo + "t" + step + "j" + memo + "t");
  }
  return "\x80\x03" + inner + ".";
}

std::string VectorLeaves() {
  const size_t outputs = 2000, leaves = 20'000;
  std::string left, right, zeros;
  for (size_t i = 0; i + 1 < leaves; ++i) {
    left += fmt::format("{},-1,", 2 * i + 1);
    right += fmt::format("{},0,", 2 * i + 2);
    zeros += "0,0,";
  }
  left += "-1", right += "0", zeros += "0";
  return fmt::format(
      R"({{"learner":{{"objective":{{"name":"reg:squarederror"}},"learner_model_param":)"
      R"({{"num_feature":"1","num_target":"{0}","base_score":"0"}},"gradient_booster":)"
      R"({{"name":"gbtree","model":{{"tree_info":[0],"trees":[{{"left_children":[{1}],)"
      R"("right_children":[{2}],"split_indices":[{3}],"default_left":[{3}],)"
      R"("split_conditions":[{3}],"tree_param":{{"size_leaf_vector":"{0}"}},)"
      R"("leaf_weights":[{4}0]}}]}}}}}}}})",
      outputs, left, right, zeros, Repeat("0,", outputs - 1));
}

std::vector<Hostile> HostileFiles() {
  return {
      {"many lists", "sklearn", "far more memory", "\x80\x03" + std::string(10'000'000, ']')},
      {"nested pipelines", "sklearn", "far more work", PipelinesOfPipelines(12)},
      {"deeply nested pipelines", "sklearn", "nested too deeply", PipelinesOfPipelines(100)},
      {"leaves that share a vector", "xgboost", "", VectorLeaves()},
      {"many small values", "xgboost", "far more memory",
       "{\"a\":[" + Repeat("[],", 2'000'000) + "[]]}"},
      {"nested JSON", "xgboost", "nested too deeply", "{\"a\":" + std::string(1000, '[')},
      {"nested UBJSON", "xgboost", "nested too deeply", "{i\1a" + std::string(1000, '[')},
      {"outputs of nothing", "lightgbm", "claims 1000000",
       "tree\nnum_tree_per_iteration=1000000\nmax_feature_idx=0\nfeature_names=a\n\nend of "
       "trees\n"},
  };
}

TEST(LoadBudget, HostileFilesAreRefusedAtALimit) {
  for (Hostile& file : HostileFiles()) {
    SCOPED_TRACE(file.name);
    Budget budget = Budget::ForInput(file.bytes.size());
    const Budget::Limits limits = budget.limits();
    auto model = Named(file.format).load(std::move(file.bytes), {}, budget);
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code(), Code::kInvalidArgument);
    EXPECT_NE(model.error().message().find(file.reason), std::string::npos)
        << model.error().message();
    EXPECT_LE(budget.bytes_used(), limits.bytes);
    EXPECT_LE(budget.steps_used(), limits.steps);
  }
}

}  // namespace
}  // namespace kinglet::runtimes
