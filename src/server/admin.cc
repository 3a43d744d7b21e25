#include "server/admin.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/text.h"

namespace kinglet::server {
namespace {

constexpr size_t kMinKey = 16;
constexpr size_t kMaxKeyFile = 4096;
constexpr size_t kMaxTable = size_t{64} << 20;  // of the kernel's table of connections

// "127.0.0.1:8080" or "[::1]:8080" as /proc/net/tcp and tcp6 write it: "0100007F:1F90".
std::optional<std::string> KernelForm(std::string_view endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (colon == endpoint.npos) return std::nullopt;
  int port = 0;
  const std::string_view digits = endpoint.substr(colon + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), port).ec != std::errc()) {
    return std::nullopt;
  }
  std::string host(endpoint.substr(0, colon));
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  uint32_t words[4];
  size_t count = 0;
  if (inet_pton(AF_INET, host.c_str(), words) == 1) {
    count = 1;
  } else if (inet_pton(AF_INET6, host.c_str(), words) == 1) {
    count = 4;
  }
  if (count == 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < count; ++i) out += fmt::format("{:08X}", words[i]);
  return out + fmt::format(":{:04X}", port);
}

bool IsPlainLoopback(std::string_view endpoint) {
  return endpoint.starts_with("127.0.0.1:") || endpoint.starts_with("[::1]:");
}

// By a browser, or by a proxy: Envoy and Knative's queue-proxy call from the pod's loopback
// address, too.
bool WasForwarded(const http::Exchange& exchange) {
  bool forwarded = false;
  exchange.ForEachHeader([&](std::string_view name, std::string_view) {
    const std::string lower = AsciiLower(name);
    forwarded |= lower == "origin" || lower == "forwarded" || lower == "via" ||
                 lower == "x-real-ip" || lower.starts_with("l5d-") ||
                 lower.starts_with("sec-fetch-") || lower.starts_with("x-forwarded-") ||
                 lower.starts_with("x-envoy-") || lower.starts_with("k-proxy-");
  });
  return forwarded;
}

// A line of the kernel's table behind "sl:": local and remote address, state, queues, timer,
// retransmits, uid, timeout, inode. A socket that its program has closed is shown with uid 0 and
// inode 0, so it counts for nobody.
bool BelongsToOwnUser(std::string_view line) {
  constexpr size_t kState = 2, kUid = 6, kInode = 8;
  std::vector<std::string_view> fields;
  while (fields.size() <= kInode) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const std::string_view field = line.substr(0, line.find(' '));
    if (field.empty()) return false;
    fields.push_back(field);
    line.remove_prefix(field.size());
  }
  constexpr std::string_view kEstablished = "01";
  uid_t uid = 0;
  const std::string_view text = fields[kUid];
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
  return fields[kState] == kEstablished && fields[kInode] != "0" && error == std::errc() &&
         end == text.data() + text.size() && (uid == ::geteuid() || uid == 0);
}

}  // namespace

bool PeerIsOwnUser(std::string_view peer, std::string_view local) {
  const auto from = KernelForm(peer), to = KernelForm(local);
  if (!from || !to) return false;
  // An IPv4 connection of a socket that speaks both is in tcp6 as ::ffff:a.b.c.d.
  constexpr std::string_view kMapped = "0000000000000000FFFF0000";
  const bool v4 = from->size() == 13;
  const std::string plain = *from + " " + *to;
  const std::string mapped = fmt::format("{}{} {}{}", kMapped, *from, kMapped, *to);
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    auto text = ReadFile(table, kMaxTable);
    if (!text) continue;
    size_t at = text->find(": " + plain + " ");
    if (at == text->npos && v4) at = text->find(": " + mapped + " ");
    if (at == text->npos) continue;
    std::string_view line = std::string_view(*text).substr(at + 2);
    return BelongsToOwnUser(line.substr(0, line.find('\n')));
  }
  return false;
}

Result<std::string> ReadAdminKey(const std::string& file) {
  KINGLET_TRY(std::string key, ReadFile(file, kMaxKeyFile));
  key.resize(std::min(key.find_first_of("\r\n"), key.size()));
  if (key.size() < kMinKey) {
    return Fail(Code::kInvalidArgument, "{}: an admin key has at least {} characters", file,
                kMinKey);
  }
  return key;
}

AdminRule::AdminRule(std::string_view listen_host, std::string key)
    : own_user_only_(http::IsLoopbackHost(listen_host)), key_(std::move(key)) {}

Status AdminRule::Check(const http::Exchange& exchange) const {
  if (!key_.empty()) {
    constexpr std::string_view kScheme = "Bearer ";
    std::string_view given = exchange.Header("authorization");
    if (given.size() == kScheme.size() + key_.size() &&
        http::EqualsIgnoreCase(given.substr(0, kScheme.size()), kScheme) &&
        CRYPTO_memcmp(given.data() + kScheme.size(), key_.data(), key_.size()) == 0) {
      return {};
    }
    return Fail(Code::kPermissionDenied,
                "loading and unloading models needs the key of --admin-key-file: send it as "
                "\"Authorization: Bearer <key>\"");
  }
  const std::string peer = exchange.peer(), local = exchange.local();
  const bool beside =
      own_user_only_ ? PeerIsOwnUser(peer, local) : IsPlainLoopback(peer) && IsPlainLoopback(local);
  if (beside && !WasForwarded(exchange)) return {};
  return Fail(
      Code::kPermissionDenied,
      "models are loaded and unloaded {} only: start the server with --admin-key-file to do "
      "it from elsewhere with a key",
      own_user_only_ ? "by the user who runs this server"
                     : "by programs in the same pod (at localhost)");
}

}  // namespace kinglet::server
