#include <cstdint>
#include <string_view>

#include "runtimes/xgboost/predictor.h"

// JSON and the former binary format: whatever does not begin as UBJSON does.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto description = kinglet::runtimes::xgboost::ReadModel(bytes);
  if (description) (void)kinglet::runtimes::xgboost::MakePredictor(std::move(*description));
  return 0;
}
