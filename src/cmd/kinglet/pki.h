// The keys of one standalone installation: a certificate authority, the API server's certificate
// and the token of its user. Made on the first start, kept in the data folder.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "net/tls/context.h"

namespace kinglet::standalone {

struct Pki {
  net::Certificate ca;
  net::Certificate server;
  std::string token;
};

// Files are readable by their owner only. A server certificate is issued anew on each start, so it
// never expires while in use for less than its ten years.
Result<Pki> LoadOrMakePki(const std::filesystem::path& folder);

// A kubeconfig for kubectl, the KServe SDK and our own clients.
std::string KubeconfigText(const Pki& pki, const std::string& server_url);

}  // namespace kinglet::standalone
