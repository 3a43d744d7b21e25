#include <cstdint>
#include <string_view>

#include "runtimes/xgboost/predictor.h"

// JSON and the former binary format: whatever does not begin as UBJSON does.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  using namespace kinglet::runtimes::xgboost;
  auto budget = kinglet::Budget::ForInput(size);
  auto description = ReadModel(bytes, budget);
  if (description) (void)MakePredictor(std::move(*description), budget);
  return 0;
}
