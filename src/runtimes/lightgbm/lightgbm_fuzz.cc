#include <cstdint>
#include <string_view>

#include "runtimes/lightgbm/predictor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet::runtimes::lightgbm;
  auto description = ReadModel(std::string_view(reinterpret_cast<const char*>(data), size));
  if (description) (void)MakePredictor(std::move(*description));
  return 0;
}
