#include "local/kubelet/listener.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/result.h"

namespace kinglet::kubelet {

bool IsHeldByAnotherUser(const std::string& ipv4, int port) {
  in_addr address{};
  if (inet_pton(AF_INET, ipv4.c_str(), &address) != 1) return false;
  const std::string one = fmt::format("{:08X}", address.s_addr), any(8, '0');
  const std::string mapped = any + any + "FFFF0000";
  const std::string suffix = fmt::format(":{:04X}", port);
  // The kernel's order: who listens at the address itself comes before who listens at all.
  const std::vector<std::string> ends = {one + suffix, mapped + one + suffix, any + suffix,
                                         any + any + any + any + suffix};
  size_t best = ends.size();
  uid_t holder = 0;
  bool shown = false;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(table);
    std::string slot, local, peer, state, queues, timer, retransmits;
    uid_t user = 0;
    for (std::string line; std::getline(lines, line); shown = true) {
      // "sl: local peer state queues timer retransmits uid ..."
      std::istringstream fields(line);
      if (!(fields >> slot >> local >> peer >> state) || state != "0A") continue;
      if (!(fields >> queues >> timer >> retransmits >> user)) continue;
      const auto rank =
          static_cast<size_t>(std::find(ends.begin(), ends.end(), local) - ends.begin());
      if (rank >= best) continue;
      best = rank;
      holder = user;
    }
  }
  // Nobody any more: whoever it was has left since.
  return shown && (best == ends.size() || holder != ::geteuid());
}

}  // namespace kinglet::kubelet
