#include "local/kubelet/addresses.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/encoding.h"

namespace kinglet::kubelet {
namespace {

constexpr uint32_t kFirst = 0x7F400000;  // 127.64.0.0
constexpr uint32_t kCount = 1u << 22;

std::string Text(uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

bool InRange(std::string_view text) {
  in_addr parsed;
  if (inet_pton(AF_INET, std::string(text).c_str(), &parsed) != 1) return false;
  uint32_t address = ntohl(parsed.s_addr);
  return address >= kFirst && address < kFirst + kCount;
}

// Whether a connection to the address stays on this machine's loopback interface.
bool IsLocal(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == 127 || v4.s_addr == INADDR_ANY;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return true;  // no address: nothing to reach
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6) && (v6.s6_addr[12] == 127 || v6.s6_addr[12] == 0);
  return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6) || mapped;
}

}  // namespace

Result<std::string> AddressPool::Take(std::string_view uid, std::string_view preferred) {
  std::lock_guard lock(mutex_);
  if (InRange(preferred)) {
    auto [it, added] = owner_.try_emplace(std::string(preferred), Owner{std::string(uid)});
    if (added || it->second.uid == uid) return it->first;
  }
  uint32_t offset = Crc32c(uid) % kCount;
  for (uint32_t tried = 0; tried < kCount; ++tried, offset = (offset + 1) % kCount) {
    if ((offset & 255) == 0 || (offset & 255) == 255) continue;  // they look like broadcast
    auto [it, added] = owner_.try_emplace(Text(kFirst + offset), Owner{std::string(uid)});
    if (added || it->second.uid == uid) return it->first;
  }
  return Fail(Code::kResourceExhausted, "no free pod address is left");
}

void AddressPool::Release(std::string_view address) {
  std::lock_guard lock(mutex_);
  if (auto it = owner_.find(address); it != owner_.end()) owner_.erase(it);
}

void AddressPool::Offer(std::string_view address, std::vector<int> ports) {
  std::lock_guard lock(mutex_);
  if (auto it = owner_.find(address); it != owner_.end()) it->second.ports = std::move(ports);
}

bool AddressPool::MayReach(std::string_view address, int port) const {
  if (!IsLocal(std::string(address))) return true;
  std::lock_guard lock(mutex_);
  auto it = owner_.find(address);
  if (it == owner_.end()) return false;
  const auto& ports = it->second.ports;
  return std::find(ports.begin(), ports.end(), port) != ports.end();
}

}  // namespace kinglet::kubelet
