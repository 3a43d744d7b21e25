#include "local/kubelet/addresses.h"

#include <arpa/inet.h>

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

}  // namespace

Result<std::string> AddressPool::Take(std::string_view uid, std::string_view preferred) {
  std::lock_guard lock(mutex_);
  if (InRange(preferred)) {
    auto [it, added] = owner_.try_emplace(std::string(preferred), uid);
    if (added || it->second == uid) return it->first;
  }
  uint32_t offset = Crc32c(uid) % kCount;
  for (uint32_t tried = 0; tried < kCount; ++tried, offset = (offset + 1) % kCount) {
    if ((offset & 255) == 0 || (offset & 255) == 255) continue;  // they look like broadcast
    auto [it, added] = owner_.try_emplace(Text(kFirst + offset), uid);
    if (added || it->second == uid) return it->first;
  }
  return Fail(Code::kResourceExhausted, "no free pod address is left");
}

void AddressPool::Release(std::string_view address) {
  std::lock_guard lock(mutex_);
  if (auto it = owner_.find(address); it != owner_.end()) owner_.erase(it);
}

}  // namespace kinglet::kubelet
