#include "control/localmodelnode/room.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

namespace kinglet::control {

std::vector<Room> ShareRoom(const std::vector<RoomRequest>& requests, int64_t limit) {
  std::vector<Room> out(requests.size(), Room::kKeep);
  if (limit <= 0) return out;
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), 0);
  auto rank = [&](size_t i) {
    const RoomRequest& request = requests[i];
    return std::tuple(request.pinned, request.pinned && request.present, request.last_used, i);
  };
  std::ranges::sort(order, [&](size_t a, size_t b) { return rank(a) > rank(b); });
  int64_t used = 0, pinned = 0;
  std::set<std::string_view> paid;
  for (size_t i : order) {
    const RoomRequest& request = requests[i];
    const int64_t bytes = paid.contains(request.content) ? 0 : request.bytes;
    if (used + bytes > limit && !(request.pinned && request.present)) {
      out[i] = request.pinned || pinned + bytes > limit ? Room::kTooBig : Room::kGive;
      continue;
    }
    paid.insert(request.content);
    used += bytes;
    if (request.pinned) pinned += bytes;
  }
  return out;
}

}  // namespace kinglet::control
