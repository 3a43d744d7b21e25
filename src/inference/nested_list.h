// Reads a nested JSON list and finds its shape as numpy does.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "inference/json_reader.h"

namespace kinglet::inference {

// numpy's limit on dimensions (1.x).
inline constexpr size_t kMaxDimensions = 32;

// The dimensions of a nested list, without memory of its own to allocate.
class ListShape {
 public:
  std::span<const int64_t> view() const { return std::span(sizes_).first(depth_); }
  void Clear() { depth_ = 0; }
  // Notes a list of the depth (1: the outermost); false where those before it had another length.
  // The innermost list ends first, so that the shape is filled from there outwards.
  bool Note(size_t depth, int64_t length) {
    for (; depth_ < depth; ++depth_) sizes_[depth_] = -1;
    int64_t& size = sizes_[depth - 1];
    if (size == -1) size = length;
    return size == length;
  }

 private:
  std::array<int64_t, kMaxDimensions> sizes_;
  size_t depth_ = 0;
};

// Reads one (possibly nested) list. Calls leaf(next byte) for each value that is no list; it must
// consume the value and return false after a Reject. `shape` gets one dimension a level. Lists
// that are not rectangular are rejected.
template <class Leaf>
bool ReadNestedList(JsonReader& reader, ListShape* shape, Leaf&& leaf) {
  std::array<int64_t, kMaxDimensions> count;
  shape->Clear();
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
    if (!shape->Note(depth, count[depth - 1])) {
      return reader.Reject("the list is ragged: its rows differ in length");
    }
    if (--depth == 0) break;
  }
  if (leaf_depth != 0 && leaf_depth != shape->view().size()) {
    return reader.Reject("the list is ragged: values beside lists");
  }
  return true;
}

}  // namespace kinglet::inference
