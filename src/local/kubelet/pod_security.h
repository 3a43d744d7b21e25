// What of a pod's security settings holds in standalone mode: one table of all of them, and the
// checks that follow from it. Pure.
//
// A setting that asks for more than pods have here (privileged, hostPID, ...) is refused with the
// reason. A setting that asks for protection is honoured, or refused if it never can be. Without
// namespaces some protections cannot be given although KServe's own runtimes ask for them: these
// pods run, and NotEnforced says what is missing. What asks for less protection than pods always
// have is accepted and has no effect.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::kubelet {

struct SecurityField {
  enum class Where {
    kPod,               // spec.<name>
    kPodContext,        // spec.securityContext.<name>
    kContainer,         // spec.containers[*].<name>
    kContainerContext,  // spec.containers[*].securityContext.<name>
  };
  enum class Answer {
    kHonoured,  // in both ways of isolation
    kIsolated,  // honoured with namespaces, not enforced without
    kNoEffect,  // pods have that protection, or need nothing of the kind, whatever it says
    kRefused,   // the values that `asks` finds
  };
  Where where;
  std::string_view name;
  Answer answer;
  // What holds, or why it is refused: the end of "<field> is not available in standalone mode: ".
  std::string_view reason;
  // Whether a value asks for something: what is refused, or what is not enforced without
  // namespaces.
  bool (*asks)(const Json& value) = nullptr;
};

std::span<const SecurityField> SecurityFields();

// kFailedPrecondition with the field and the reason, for settings of the pod as a whole.
Status CheckPodSecurity(const Json& pod);
// The same for a container of the pod.
Status CheckContainerSecurity(const Json& pod, const Json& container, bool namespaces);

// The fields of the pod and its containers that ask for protection which pods that run on the host
// do not have. Empty with namespaces.
std::vector<std::string> NotEnforced(const Json& pod, bool namespaces);

// The capabilities, a bit each, that a container's root may have: the default set of container
// runtimes, less securityContext.capabilities.drop. Others cannot be added.
uint64_t AllowedCapabilities(const Json& container);

}  // namespace kinglet::kubelet
