// Who may load and unload models: the endpoints below /v2/repository change what everybody is
// served.
//
// KServe's servers let everyone who reaches them do it. Its multi-model agent calls from the same
// pod, without credentials, and goes on to work. A caller is let in
//
//   * with the key of --admin-key-file, as "Authorization: Bearer <key>", from anywhere; or
//   * without a key, if it is a program beside this server: neither a browser nor a proxy sent the
//     request (no Origin, Sec-Fetch-*, Forwarded, Via, X-Forwarded-*, X-Real-IP, X-Envoy-*,
//     K-Proxy-* or L5d-*), and
//     - if the server listens on all addresses (in a pod), it was called at 127.0.0.1 or ::1, which
//     only
//       containers of the pod reach;
//     - if the server listens on a loopback address, which all users of the machine share, the
//     caller's
//       socket belongs to the server's own user or to root.
//
// Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http/server.h"

namespace kinglet::server {

class AdminRule {
 public:
  // `listen_host` is the address that the server listens on. With a key, callers without it are
  // refused even if they are beside the server.
  AdminRule(std::string_view listen_host, std::string key);

  // kPermissionDenied says what is missing.
  Status Check(const http::Exchange& exchange) const;

 private:
  bool own_user_only_;
  std::string key_;
};

// The first line of a file, which must hold at least 16 characters.
Result<std::string> ReadAdminKey(const std::string& file);

// Whether the client's end of a TCP connection on this machine belongs to the effective user of
// this process or to root. `peer` and `local` as Exchange gives them. Looks it up in /proc/net/tcp.
bool PeerIsOwnUser(std::string_view peer, std::string_view local);

}  // namespace kinglet::server
