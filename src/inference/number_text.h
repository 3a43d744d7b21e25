// Numbers as the JSON that Python's servers write: the shortest text that reads back equal, a
// float keeps its ".0", NaN and infinities are null (orjson, which KServe answers with).
#pragma once

#include <cstdint>
#include <string>

namespace kinglet::inference {

void AppendNumber(std::string* out, double value);
void AppendNumber(std::string* out, int64_t value);
void AppendNumber(std::string* out, uint64_t value);

}  // namespace kinglet::inference
