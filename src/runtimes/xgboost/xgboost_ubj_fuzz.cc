#include <cstdint>
#include <string_view>

#include "runtimes/xgboost/predictor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet::runtimes::xgboost;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto budget = kinglet::Budget::ForInput(size);
  auto document = ParseUbjson(bytes, budget);
  if (!document) return 0;
  auto description = ReadDocument(*document, budget);
  if (description) (void)MakePredictor(std::move(*description), budget);
  return 0;
}
