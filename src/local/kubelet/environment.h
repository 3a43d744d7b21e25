// A container's environment and arguments, as the kubelet of Kubernetes makes them. Pure but for
// the ObjectSource that looks up ConfigMaps and Secrets.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "kube/resource.h"
#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet {

// An object of the pod's namespace (or a cluster-scoped one). kNotFound as from the API.
using ObjectSource =
    std::function<Result<Json>(const kube::ResourceType&, const std::string& name)>;

// What a pod can ask about itself and its node.
struct PodFacts {
  const Json* pod = nullptr;  // not null
  std::string pod_ip, host_ip, node_name;
  int64_t node_cpu_milli = 0, node_memory = 0;  // what an absent limit means
};

using Environment = std::map<std::string, std::string, std::less<>>;

// $(NAME) becomes its value where known and stays where not; $$ is a single $.
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (command, args)
std::string ExpandVariables(std::string_view text, const Environment& variables);

// metadata.name, metadata.labels['key'], status.podIP, ... kInvalidArgument for other paths.
Result<std::string> ReadField(const PodFacts& facts, std::string_view path);
// limits.cpu, requests.memory, ... of a container, divided by the divisor and rounded up.
Result<std::string> ReadResource(const PodFacts& facts, const Json& container_ref,
                                 const Json& own_container);

// envFrom, then env in order (later ones may refer to earlier ones), over `defaults`. kNotFound for
// a ConfigMap, Secret or key that is missing and not optional.
Result<Environment> BuildEnvironment(const Json& container, const PodFacts& facts,
                                     const ObjectSource& objects, Environment defaults);

// The process's words: command (or the entry point), then args, expanded.
std::vector<std::string> BuildArguments(const Json& container,
                                        const std::vector<std::string>& entrypoint,
                                        const Environment& variables);

// For pods that run on the host: every mention of a mount's target in an argument or value that
// stands for a path (at the start or after = , : " or a space; before the end or a slash) becomes
// the source.
std::string RewritePaths(std::string_view text, const std::vector<pod::Mount>& mounts);

}  // namespace kinglet::kubelet
