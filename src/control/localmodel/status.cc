#include "control/localmodel/status.h"

#include <algorithm>

namespace kinglet::control {
namespace {

std::string NodeState(const std::string& model_state) {
  if (model_state == "ModelDownloading") return "NodeDownloading";
  if (model_state == "ModelDownloaded") return "NodeDownloaded";
  if (model_state == "ModelDownloadError") return "NodeDownloadError";
  return "NodeDownloadPending";
}

Json NamesOf(const std::vector<Json>& services) {
  std::vector<kube::ObjectKey> users;
  for (const Json& service : services) users.push_back(kube::KeyOf(service));
  std::ranges::sort(users);
  Json list = Json::MakeArray();
  for (const auto& user : users) {
    list.Push(Json::MakeObject({{"namespace", user.ns}, {"name", user.name}}));
  }
  return list;
}

}  // namespace

void SetCopies(Json& cache, const std::map<std::string, NodeCopy>& nodes) {
  Json states = Json::MakeObject();
  int available = 0, failed = 0;
  for (const auto& [name, copy] : nodes) {
    std::string state = copy.ready ? NodeState(copy.state)
                                   : cache["status"]["nodeStatus"][name].StringOr("NodeNotReady");
    available += state == "NodeDownloaded";
    failed += state == "NodeDownloadError";
    states.Set(name, std::move(state));
  }
  Json& status = cache.Ref("status");
  status.Set("nodeStatus", std::move(states));
  status.Set(
      "copies",
      Json::MakeObject({{"total", nodes.size()}, {"available", available}, {"failed", failed}}));
}

void SetUsers(Json& cache, const std::vector<Json>& services,
              const std::vector<Json>& llm_services) {
  Json& status = cache.Ref("status");
  status.Set("inferenceServices", NamesOf(services));
  if (llm_services.empty()) {
    status.Erase("llmInferenceServices");
  } else {
    status.Set("llmInferenceServices", NamesOf(llm_services));
  }
}

}  // namespace kinglet::control
