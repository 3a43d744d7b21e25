#include "base/budget.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/seeded_hash.h"
#include "base/yaml.h"

namespace kinglet {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

TEST(Budget, IsProportionalToTheInputWithAFloor) {
  EXPECT_EQ(Budget::LimitsFor(0).bytes, Budget::kBytesFloor);
  EXPECT_EQ(Budget::LimitsFor(1000).bytes, Budget::kBytesFloor + 1000 * Budget::kBytesRatio);
  EXPECT_EQ(Budget::LimitsFor(1000).steps, Budget::kStepsFloor + 1000 * Budget::kStepsRatio);
  EXPECT_GT(Budget::LimitsFor(kMost).bytes, uint64_t{1} << 60);
}

TEST(Budget, RefusesWhatIsOverTheLimitAndNamesIt) {
  Budget budget({.input = 7, .bytes = 100, .steps = 50});
  EXPECT_TRUE(budget.Allocate(60));
  EXPECT_TRUE(budget.Allocate(40));
  const Status memory = budget.Allocate(1);
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().code(), Code::kInvalidArgument);
  EXPECT_NE(memory.error().message().find("the limit is 100 bytes"), std::string::npos);
  EXPECT_EQ(budget.bytes_used(), 100u);
  EXPECT_TRUE(budget.Spend(50));
  const Status work = budget.Spend(1);
  ASSERT_FALSE(work);
  EXPECT_NE(work.error().message().find("the limit is 50 steps"), std::string::npos);
}

TEST(Budget, ProductsThatOverflowAreOverTheLimit) {
  Budget budget = Budget::ForInput(0);
  EXPECT_FALSE(budget.Allocate(kMost / 2, 8));
  EXPECT_FALSE(budget.Spend(kMost, kMost));
  EXPECT_FALSE(budget.Allocate(kMost));
  EXPECT_TRUE(budget.Allocate(kMost, 0));
}

TEST(Budget, CountsLevelsWhileTheyAreOpen) {
  Budget budget({.depth = 2});
  {
    auto first = budget.Enter();
    auto second = budget.Enter();
    ASSERT_TRUE(second);
    const auto third = budget.Enter();
    ASSERT_FALSE(third);
    EXPECT_NE(third.error().message().find("the limit is 2 levels"), std::string::npos);
  }
  EXPECT_TRUE(budget.Enter());
}

TEST(Budget, ClaimsMustFitTheInput) {
  Budget budget = Budget::ForInput(5000);
  EXPECT_TRUE(budget.CheckClaim(5000, "outputs"));
  EXPECT_FALSE(budget.CheckClaim(5001, "outputs"));
  EXPECT_TRUE(Budget::ForInput(10).CheckClaim(1024, "outputs"));
}

TEST(Budget, ACompressedInputCountsAsWhatItHoldsUpToSixteenTimes) {
  Budget budget = Budget::ForInput(1000);
  budget.Decompressed(3000);
  EXPECT_EQ(budget.limits().bytes, Budget::LimitsFor(3000).bytes);
  budget.Decompressed(10);
  EXPECT_EQ(budget.limits().bytes, Budget::LimitsFor(3000).bytes);
  Budget bomb = Budget::ForInput(1000);
  bomb.Decompressed(kMost);
  EXPECT_EQ(bomb.limits().bytes, Budget::LimitsFor(16'000).bytes);
}

TEST(SeededHash, SpreadsTextsAndNumbers) {
  const SeededHash hash;
  std::set<size_t> hashes, low_bits;
  constexpr int kKeys = 10'000;
  for (int i = 0; i < kKeys; ++i) {
    for (const size_t key : {hash(fmt::format("column-{}", i)), hash(static_cast<double>(i))}) {
      hashes.insert(key);
      low_bits.insert(key % 1024);
    }
  }
  EXPECT_EQ(hashes.size(), size_t{2 * kKeys});
  EXPECT_EQ(low_bits.size(), 1024u);
  EXPECT_EQ(hash(0.0), hash(-0.0));
  EXPECT_NE(hash(std::string_view("a", 1)), hash(std::string_view("a\0", 2)));
}

TEST(Yaml, AliasesCountAsWhatTheyStandFor) {
  std::string values = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char name = 'b'; name < 'k'; ++name) {
    values += fmt::format("{0}: &{0} [", name);
    for (int i = 0; i < 10; ++i) values += fmt::format("*{},", static_cast<char>(name - 1));
    values += "]\n";
  }
  EXPECT_NE(ParseYaml(values).error().message().find("far more memory"), std::string::npos);
  // Few values, but long ones.
  std::string texts = "a: &a \"" + std::string(100'000, 'x') + "\"\nb: [";
  for (int i = 0; i < 10'000; ++i) texts += "*a,";
  EXPECT_NE(ParseYaml(texts + "]\n").error().message().find("far more memory"), std::string::npos);
  EXPECT_NE(ParseYaml("a: &a [*a]\n").error().message().find("inside the value that it names"),
            std::string::npos);
  // Each alias is one level deeper than the one before.
  std::string chain = "- &a0 [x]\n";
  for (int i = 1; i < 300; ++i) chain += fmt::format("- &a{} [*a{}]\n", i, i - 1);
  EXPECT_NE(ParseYaml(chain).error().message().find("nested too deeply"), std::string::npos);
  const auto value = ParseYaml("a: &x {k: 1}\nb: *x\nc: [*x, &s name, *s]\n*s : 2\n");
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(value->Dump(), R"({"a":{"k":1},"b":{"k":1},"c":[{"k":1},"name","name"],"name":2})");
}

// yaml-cpp makes empty documents of these for ever.
TEST(Yaml, TextThatBeginsNoDocumentIsRefused) {
  for (const char* text : {",", ",a", "]", "}", "a: 1\n---\n,b", ": : :", "[a]]", "{a: b}}"}) {
    const auto value = ParseYamlDocuments(text);
    if (value) EXPECT_LE(value->size(), 2u) << text;
  }
  EXPECT_NE(ParseYaml(",a: 1\n").error().message().find("line 1"), std::string::npos);
}

}  // namespace
}  // namespace kinglet
