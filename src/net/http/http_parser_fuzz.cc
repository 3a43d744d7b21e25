// Heads and chunked bodies in arbitrary cuts: the verdict must not depend on the cut, and views must
// stay inside the input.
#include <cstdlib>
#include <string>

#include "net/http/parser.h"

using kinglet::http::ChunkDecoder;
using kinglet::http::HeadParser;

namespace {

void Require(bool condition) {
  if (!condition) abort();
}

void Head(HeadParser::Kind kind, std::string_view input, size_t cut) {
  HeadParser whole(kind, {4096, 50}), pieces(kind, {4096, 50});
  auto state = whole.Parse(input);
  auto other = HeadParser::State::kIncomplete;
  std::string moved;
  for (size_t n = cut; other == HeadParser::State::kIncomplete; n += cut) {
    moved = input.substr(0, n);
    other = pieces.Parse(moved);
    if (n >= input.size()) break;
  }
  Require(state == other);
  if (state != HeadParser::State::kDone) return;
  Require(whole.head_size() == pieces.head_size() && whole.head_size() <= input.size());
  for (size_t i = 0; i < whole.fields(); ++i) {
    Require(whole.name(i) == pieces.name(i) && whole.value(i) == pieces.value(i));
    Require(whole.name(i).data() >= input.data());
    Require(whole.value(i).data() + whole.value(i).size() <= input.data() + input.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  size_t cut = 1 + data[0] % 16;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (input.empty()) return 0;
  Head(HeadParser::Kind::kRequest, input, cut);
  Head(HeadParser::Kind::kResponse, input, cut);
  ChunkDecoder decoder;
  std::string_view rest = input;
  while (!rest.empty() && !decoder.done()) {
    auto step = decoder.Next(rest.substr(0, cut));
    if (step.state == ChunkDecoder::State::kError) break;
    Require(step.consumed > 0 && step.consumed <= rest.size());
    Require(step.payload.size() <= step.consumed);
    rest.remove_prefix(step.consumed);
  }
  return 0;
}
