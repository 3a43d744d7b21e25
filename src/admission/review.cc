#include "admission/review.h"

#include "base/encoding.h"
#include "kube/json_patch.h"
#include "kube/object.h"

namespace kinglet::admission {
namespace {

Unexpected Mismatch(std::string_view what, std::string_view given, std::string_view wanted) {
  return Fail(Code::kInvalidArgument, "the {} of the review is \"{}\": want \"{}\"", what, given,
              wanted);
}

// A reviewed object may leave out its kind and namespace, but must not name others than the
// request.
Status CheckObject(const kube::ResourceType& type, const std::string& ns, const Json& object) {
  const std::string& kind = kube::Kind(object);
  if (!kind.empty() && kind != type.kind) return Mismatch("object's kind", kind, type.kind);
  const std::string& own = kube::Namespace(object);
  if (!own.empty() && own != ns) return Mismatch("object's namespace", own, ns);
  return {};
}

}  // namespace

Status CheckRequest(const kube::ResourceType& type, bool needs_namespace, const Request& request) {
  if (request.group != type.group) return Mismatch("group", request.group, type.group);
  if (request.resource != type.plural) return Mismatch("resource", request.resource, type.plural);
  if (request.kind != type.kind) return Mismatch("kind", request.kind, type.kind);
  if (!request.subresource.empty()) return Mismatch("subresource", request.subresource, "");
  const bool names_one = static_cast<bool>(kube::CheckDnsLabel(request.ns));
  if (!names_one && (needs_namespace || !request.ns.empty())) {
    return Fail(Code::kInvalidArgument,
                "the namespace of the review is \"{}\": want a namespace's name", request.ns);
  }
  KINGLET_RETURN_IF_ERROR(CheckObject(type, request.ns, request.object));
  return CheckObject(type, request.ns, request.old_object);
}

Result<Json> AnswerReview(const Admitter& admitter, std::string_view path, const Json& review) {
  const std::string& version = kube::ApiVersion(review);
  const Json& asked = review["request"];
  const bool known = version == "admission.k8s.io/v1" || version == "admission.k8s.io/v1beta1";
  if (!known || kube::Kind(review) != "AdmissionReview" || !asked.IsObject()) {
    return Fail(Code::kInvalidArgument,
                "the body is not an AdmissionReview of admission.k8s.io/v1 with a request");
  }
  if (asked["uid"].AsString().empty()) {
    return Fail(Code::kInvalidArgument, "the request of the AdmissionReview has no uid");
  }
  Request request{.operation = asked["operation"].AsString(),
                  .group = asked["resource"]["group"].AsString(),
                  .version = asked["kind"]["version"].AsString(),
                  .kind = asked["kind"]["kind"].AsString(),
                  .resource = asked["resource"]["resource"].AsString(),
                  .subresource = asked["subResource"].AsString(),
                  .ns = asked["namespace"].AsString(),
                  .name = asked["name"].AsString(),
                  .object = asked["object"],
                  .old_object = asked["oldObject"]};
  auto answer = admitter.Review(path, request);
  if (!answer) return Fail(Code::kNotFound, "no webhook at {}", path);
  Json response = Json::MakeObject({{"uid", asked["uid"]}, {"allowed", answer->allowed}});
  Json status = Json::MakeObject({{"code", answer->code}});
  if (!answer->message.empty()) status.Set("message", answer->message);
  response.Set("status", std::move(status));
  if (!answer->warnings.empty()) {
    Json warnings = Json::MakeArray();
    for (auto& warning : answer->warnings) warnings.Push(std::move(warning));
    response.Set("warnings", std::move(warnings));
  }
  if (answer->allowed && answer->object) {
    response.Set("patchType", "JSONPatch");
    response.Set("patch",
                 Base64Encode(kube::CreateJsonPatch(request.object, *answer->object).Dump()));
  }
  return Json::MakeObject(
      {{"apiVersion", version}, {"kind", review["kind"]}, {"response", std::move(response)}});
}

}  // namespace kinglet::admission
