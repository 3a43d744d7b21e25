// Which models a node keeps where not all of them fit. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kinglet::control {

struct RoomRequest {
  std::string content;  // models of equal content share their bytes on the disk
  int64_t bytes = 0;
  bool pinned = false;   // an InferenceService uses it
  bool present = false;  // whole on the disk
  int64_t last_used = 0;
};

enum class Room {
  kKeep,
  kGive,    // others were used later: it is removed, and comes again when there is room
  kTooBig,  // there is no room for it whatever is removed of what may be
};

// One answer a request, in their order. `limit` in bytes; zero or less: none. The room goes first
// to what is pinned, then to what was used last (of equals, to what was added last). What is both
// pinned and present stays even over the limit.
std::vector<Room> ShareRoom(const std::vector<RoomRequest>& requests, int64_t limit);

}  // namespace kinglet::control
