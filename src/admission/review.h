// AdmissionReview documents (admission.k8s.io) as they come over the network.
//
// Anybody who reaches the webhook server can send one, and the webhooks read secrets, runtimes and
// caches for their answer. So a review counts only if an API server could have sent it to this
// webhook: its resource and kind are the webhook's, and its object lies in the namespace for which
// the API server authorized the request.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
#pragma once

#include <string_view>

#include "admission/admitter.h"
#include "admission/types.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/resource.h"

namespace kinglet::admission {

// Whether the request is about an object of `type` in the request's own namespace.
// `needs_namespace`: it must name one, since objects of it are read. kInvalidArgument says what
// differs.
Status CheckRequest(const kube::ResourceType& type, bool needs_namespace, const Request& request);

// The answer to an AdmissionReview of version v1 or v1beta1, with a JSON patch. kInvalidArgument:
// not a review; kNotFound: no webhook at this path.
Result<Json> AnswerReview(const Admitter& admitter, std::string_view path, const Json& review);

}  // namespace kinglet::admission
