#include "control/localmodelnode/room.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

namespace kinglet::control {

std::vector<Room> ShareRoom(const std::vector<Tenant>& tenants, int64_t limit) {
  std::vector<Room> out(tenants.size(), Room::kKeep);
  if (limit <= 0) return out;
  std::vector<size_t> order(tenants.size());
  std::iota(order.begin(), order.end(), 0);
  auto rank = [&](size_t i) {
    const Tenant& tenant = tenants[i];
    return std::tuple(tenant.pinned, tenant.pinned && tenant.present, tenant.last_used, i);
  };
  std::ranges::sort(order, [&](size_t a, size_t b) { return rank(a) > rank(b); });
  int64_t used = 0, pinned = 0;
  std::set<std::string_view> paid;
  for (size_t i : order) {
    const Tenant& tenant = tenants[i];
    const int64_t bytes = paid.contains(tenant.uri) ? 0 : tenant.bytes;
    if (used + bytes > limit && !(tenant.pinned && tenant.present)) {
      out[i] = tenant.pinned || pinned + bytes > limit ? Room::kTooBig : Room::kGive;
      continue;
    }
    paid.insert(tenant.uri);
    used += bytes;
    if (tenant.pinned) pinned += bytes;
  }
  return out;
}

}  // namespace kinglet::control
