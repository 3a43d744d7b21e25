// Questions and answers of strangers.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "local/kubelet/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet::kubelet;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto question = dns::ParseQuery(bytes);
  if (!question) return 0;
  if (question->end > size || question->name.size() > 253) __builtin_trap();
  std::string answer =
      dns::MakeAnswer(bytes, *question, dns::kNoError, {"10.0.0.1", "nonsense", "10.0.0.2"});
  if (answer.size() != question->end + 32 || dns::ParseQuery(answer)) __builtin_trap();
  return 0;
}
