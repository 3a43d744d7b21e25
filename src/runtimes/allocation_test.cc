// A warm request to a tree or linear model allocates nothing: from the body, through the codec and
// the model, to the answer's body.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "inference/v1/codec.h"
#include "inference/v2/request.h"
#include "inference/v2/response.h"
#include "runtimes/plugin.h"

namespace {

thread_local size_t allocations = 0;

[[maybe_unused]] void* Allocate(size_t size, size_t alignment) {
  ++allocations;
  size = (std::max<size_t>(size, 1) + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) std::abort();
  return memory;
}

// Sanitizers bring an allocator of their own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KINGLET_OTHER_ALLOCATOR 1
#endif
#endif

}  // namespace

#ifndef KINGLET_OTHER_ALLOCATOR
// Every other form of new ends in these two.
void* operator new(size_t size) { return Allocate(size, alignof(std::max_align_t)); }
void* operator new(size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
#endif

namespace kinglet::runtimes {
namespace {

// What a server's loop keeps from request to request.
struct Scratch {
  server::PredictRequest request;
  server::PredictResponse response;
  inference::v2::InferHead head;
  std::string reply;
};

std::string Rows(size_t rows, size_t columns) {
  std::string text = "[";
  for (size_t i = 0; i < rows; ++i) {
    text += i == 0 ? "[" : ",[";
    for (size_t j = 0; j < columns; ++j) {
      text += fmt::format("{}{:.17g}", j == 0 ? "" : ",",
                          0.37 * static_cast<double>((i * 31 + j * 17) % 23) - 3.1);
    }
    text += "]";
  }
  return text + "]";
}

Status V1(const server::Model& model, std::string_view body, Scratch& scratch) {
  KINGLET_TRY(auto decoded, inference::v1::DecodeRequest(body, &scratch.request.inputs));
  scratch.request.columns = decoded.columns;
  KINGLET_RETURN_IF_ERROR(model.Predict(scratch.request, &scratch.response));
  scratch.reply.clear();
  return inference::v1::EncodeResponse(scratch.response.outputs, &scratch.reply);
}

Status V2(const server::Model& model, std::string_view body, Scratch& scratch) {
  auto rejection =
      inference::v2::DecodeInferRequest(body, {}, "m", &scratch.head, &scratch.request.inputs);
  if (rejection) return Unexpected(rejection->error);
  scratch.request.columns = scratch.head.columns;
  KINGLET_RETURN_IF_ERROR(model.Predict(scratch.request, &scratch.response));
  scratch.reply.clear();
  KINGLET_RETURN_IF_ERROR(inference::v2::EncodeInferResponse(
      "m", scratch.head.id, scratch.head, scratch.response.outputs, &scratch.reply));
  return {};
}

struct Case {
  const char* format;
  const char* file;
  bool proba = false;
};

class Allocation : public testing::TestWithParam<Case> {};

TEST_P(Allocation, NoneForAWarmRequest) {
#ifdef KINGLET_OTHER_ALLOCATOR
  GTEST_SKIP() << "allocations are not counted under a sanitizer";
#endif
  const Case& param = GetParam();
  const auto plugins = Plugins();
  const auto plugin = std::ranges::find(plugins, param.format, &PluginEntry::name);
  ASSERT_NE(plugin, plugins.end());
  auto model = LoadModelFile(plugin->make(),
                             std::filesystem::path(KINGLET_SOURCE_DIR) / "test/data" / param.file,
                             {.predict_proba = param.proba});
  ASSERT_TRUE(model) << model.error().ToString();
  const auto columns = static_cast<size_t>((*model)->metadata().inputs[0].shape[1]);
  Scratch scratch;
  for (const size_t rows : {1, 64}) {
    const std::string data = Rows(rows, columns);
    const std::string v1 = R"({"instances": )" + data + "}";
    const std::string v2 = fmt::format(
        R"({{"id": "7", "inputs": [{{"name": "input-0", "shape": [{}, {}], "datatype": "FP64", )"
        R"("data": {}}}]}})",
        rows, columns, data);
    for (auto* protocol : {&V1, &V2}) {
      const std::string& body = protocol == &V1 ? v1 : v2;
      for (int warm = 0; warm < 2; ++warm) {
        const Status status = (*protocol)(**model, body, scratch);
        ASSERT_TRUE(status) << status.error().ToString();
      }
      const size_t before = allocations;
      for (int i = 0; i < 3; ++i) (void)(*protocol)(**model, body, scratch);
      EXPECT_EQ(allocations - before, 0u)
          << (protocol == &V1 ? "V1, " : "V2, ") << rows << " rows, 3 requests";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, Allocation,
    testing::Values(Case{"sklearn", "sklearn/1.7.2/linear_regression.pkl"},
                    Case{"sklearn", "sklearn/1.7.2/logistic_multi.joblib"},
                    Case{"sklearn", "sklearn/1.7.2/logistic_multi.joblib", true},
                    Case{"sklearn", "sklearn/1.7.2/random_forest.joblib"},
                    Case{"sklearn", "sklearn/1.7.2/random_forest.joblib", true},
                    Case{"sklearn", "sklearn/1.7.2/gradient_boosting.joblib", true},
                    Case{"sklearn", "sklearn/1.7.2/hist.joblib", true},
                    Case{"xgboost", "xgboost/xgboost-2.1.4-softprob-json.json"},
                    Case{"lightgbm", "lightgbm/lightgbm-4.5.0-multiclass.txt"}));

}  // namespace
}  // namespace kinglet::runtimes
