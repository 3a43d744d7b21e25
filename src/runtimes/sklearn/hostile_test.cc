// Pickles made to do harm (test/data/pickles/make_hostile.py) are refused with a message, and so
// is every truncation of a good one.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "runtimes/sklearn/model.h"

namespace kinglet::runtimes::sklearn {
namespace {

std::filesystem::path Folder() {
  return std::filesystem::path(KINGLET_SOURCE_DIR) / "test/data/pickles";
}

std::string Bytes(const std::filesystem::path& file) {
  auto bytes = ReadFile(file);
  EXPECT_TRUE(bytes) << file;
  return bytes.value_or("");
}

Result<std::unique_ptr<server::Model>> Load(std::string bytes) {
  Budget budget = Budget::ForInput(bytes.size());
  return LoadModel(std::move(bytes), {}, budget);
}

TEST(HostilePickle, EveryOneIsRefusedWithAMessage) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Folder() / "hostile")) {
    auto model = Load(Bytes(entry.path()));
    ASSERT_FALSE(model) << entry.path();
    EXPECT_GT(model.error().message().size(), 10u) << entry.path();
    const Code code = model.error().code();
    EXPECT_TRUE(code == Code::kInvalidArgument || code == Code::kUnimplemented) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 100u);
}

TEST(HostilePickle, SaysWhatThePickleWouldHaveCalled) {
  auto model = Load(Bytes(Folder() / "hostile/call_os_system.pkl"));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message(),
            "refused: the pickle refers to os.system, which is not a known model class; Kinglet "
            "never executes pickled code");
  // Inside a model that is otherwise fine, in the old text form, and by its parts.
  for (const char* name : {"nested_in_model", "inst", "stack_global_memo", "newobj_ex"}) {
    auto other = Load(Bytes(Folder() / "hostile" / (std::string(name) + ".pkl")));
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().message().find("os.system"), std::string::npos) << name;
  }
}

TEST(HostilePickle, EveryTruncationIsRefused) {
  const std::string good = Bytes(Folder() / "good_tree.pkl");
  ASSERT_TRUE(Load(good));
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Load(good.substr(0, length))) << length;
  }
}

TEST(HostilePickle, NoChangedByteCrashes) {
  const std::string good = Bytes(Folder() / "good_tree.pkl");
  const int one_byte_changes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
  server::PredictRequest request;
  request.inputs.resize(1);
  request.inputs[0].Reset("input-0", inference::DataType::kFp64, {1, 2});
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int value : one_byte_changes) {
      std::string changed = good;
      changed[at] = static_cast<char>(value);
      auto model = Load(std::move(changed));
      server::PredictResponse response;
      if (model) (void)(*model)->Predict(request, &response);
    }
  }
}

}  // namespace
}  // namespace kinglet::runtimes::sklearn
