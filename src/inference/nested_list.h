// Reads a nested JSON list and finds its shape as numpy does.
#pragma once

#include <array>
#include <vector>

#include "inference/json_reader.h"

namespace kinglet::inference {

// numpy's limit on dimensions (1.x).
inline constexpr size_t kMaxDimensions = 32;

// Reads one (possibly nested) list. Calls leaf(next byte) for each value that is no list; it must
// consume the value and return false after a Reject. `shape` gets one dimension a level. Lists
// that are not rectangular are rejected.
template <class Leaf>
bool ReadNestedList(JsonReader& reader, std::vector<int64_t>* shape, Leaf&& leaf) {
  std::array<int64_t, kMaxDimensions> count;
  shape->clear();
  size_t depth = 0;
  size_t leaf_depth = 0;  // 0: no leaf seen yet
  if (!reader.EnterArray()) return false;
  count[depth++] = 0;
  while (true) {
    if (reader.NextElement()) {
      ++count[depth - 1];
      char next = reader.Peek();
      if (next == '[') {
        if (depth == leaf_depth) return reader.Reject("the list is ragged: lists beside values");
        if (depth == kMaxDimensions) return reader.Reject("the list has too many dimensions");
        if (!reader.EnterArray()) return false;
        count[depth++] = 0;
      } else {
        if (leaf_depth == 0) {
          leaf_depth = depth;
        } else if (depth != leaf_depth) {
          return reader.Reject("the list is ragged: values beside lists");
        }
        if (!leaf(next)) return false;
      }
      continue;
    }
    if (!reader.ok()) return false;
    // A list ended: every list of its depth has the same length. The innermost one closes first,
    // so that `shape` is filled from there outwards.
    if (shape->size() < depth) shape->resize(depth, -1);
    int64_t& dimension = (*shape)[depth - 1];
    if (dimension == -1) {
      dimension = count[depth - 1];
    } else if (dimension != count[depth - 1]) {
      return reader.Reject("the list is ragged: its rows differ in length");
    }
    if (--depth == 0) break;
  }
  if (leaf_depth != 0 && leaf_depth != shape->size()) {
    return reader.Reject("the list is ragged: values beside lists");
  }
  return true;
}

}  // namespace kinglet::inference
