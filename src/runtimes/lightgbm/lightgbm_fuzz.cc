#include <cstdint>
#include <string_view>

#include "runtimes/lightgbm/predictor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet::runtimes::lightgbm;
  auto budget = kinglet::Budget::ForInput(size);
  auto description = ReadModel(std::string_view(reinterpret_cast<const char*>(data), size), budget);
  if (description) (void)MakePredictor(std::move(*description), budget);
  return 0;
}
