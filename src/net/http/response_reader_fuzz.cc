// Responses in arbitrary cuts: the outcome must not depend on the cut, and bodies must lie inside
// the input.
#include <cstdlib>
#include <string>

#include "net/http/response_reader.h"

using namespace kinglet::http;

namespace {

struct Outcome {
  bool failed = false, done = false, keeps = false;
  size_t used = 0;
  int status = 0;
  std::string body;
  bool operator==(const Outcome&) const = default;
};

Outcome Play(std::string_view input, size_t cut, std::string_view method) {
  Outcome out;
  ClientResponse response;
  ResponseReader reader(method, response);
  while (out.used < input.size() && !reader.done() && !out.failed) {
    std::string_view piece = input.substr(out.used, cut);
    while (!piece.empty() && !reader.done()) {
      auto step = reader.Next(piece);
      if (!step) {
        out.failed = true;
        break;
      }
      if (step->consumed > piece.size() || step->body.size() > step->consumed) abort();
      if (step->consumed == 0 && !reader.done() && !reader.has_head()) abort();  // no progress
      out.body += step->body;
      out.used += step->consumed;
      piece.remove_prefix(step->consumed);
    }
  }
  if (out.failed) {
    Outcome failure;
    failure.failed = true;
    return failure;
  }
  out.done = reader.done();
  out.keeps = reader.keeps_connection();
  out.status = response.status;
  if (out.done && !reader.End()) abort();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t cut = 1 + data[0] % 16;
  const char* method = data[0] & 64 ? "HEAD" : data[0] & 128 ? "CONNECT" : "GET";
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (Play(input, input.size(), method) != Play(input, cut, method)) abort();
  return 0;
}
