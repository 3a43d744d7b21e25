#include "health/ray.h"

#include "health/protobuf.h"
#include "net/grpc/unary.h"

namespace kinglet::health {
namespace {

constexpr std::string_view kDefaultAddress = "127.0.0.1:6379";
constexpr std::string_view kMethod = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo";

// Numbers of src/ray/protobuf/gcs_service.proto and gcs.proto.
constexpr uint32_t kNodeInfoList = 2;  // of GetAllNodeInfoReply
constexpr uint32_t kState = 7;         // of GcsNodeInfo
constexpr uint64_t kAlive = 0;         // of GcsNodeState; left out on the wire

Result<bool> IsAlive(std::string_view node) {
  uint64_t state = kAlive;
  for (MessageReader reader(node); !reader.AtEnd();) {
    KINGLET_TRY(auto field, reader.Next());
    if (field.number == kState) state = field.value;
  }
  return state == kAlive;
}

}  // namespace

Result<int> CountAliveNodesOf(std::string_view reply) {
  int alive = 0;
  for (MessageReader reader(reply); !reader.AtEnd();) {
    KINGLET_TRY(auto field, reader.Next());
    if (field.number != kNodeInfoList) continue;
    KINGLET_TRY(bool is_alive, IsAlive(field.bytes));
    alive += is_alive;
  }
  return alive;
}

Result<int> CountAliveNodes(const std::string& address, Deadline deadline) {
  const bool here = address.empty() || address == "auto";
  auto reply = grpc::CallUnary({.target = here ? std::string(kDefaultAddress) : address,
                                .method = std::string(kMethod),
                                .request = "",
                                .deadline = deadline});
  if (!reply) return Unexpected(reply.error().WithContext("Ray's GCS"));
  return CountAliveNodesOf(*reply);
}

}  // namespace kinglet::health
