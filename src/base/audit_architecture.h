// The architecture as seccomp filters see it (seccomp(2), linux/audit.h).
#pragma once

#include <linux/audit.h>

#include <cstdint>

namespace kinglet {

#if defined(__x86_64__)
inline constexpr uint32_t kAuditArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
inline constexpr uint32_t kAuditArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "unknown architecture: add its AUDIT_ARCH"
#endif

}  // namespace kinglet
