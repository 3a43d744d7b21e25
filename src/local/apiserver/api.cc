#include "local/apiserver/api.h"
#include "local/apiserver/review.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace kinglet::local {

Api::Api(Store& store, RegistryHolder& registry, const ApiServerOptions& options)
    : store_(store), registry_(registry), options_(options) {}

std::string NowRfc3339() { return FormatRfc3339(Clock::System().Wall()); }

ApiStatus Api::Authenticate(const http::Headers& headers) const {
  const std::string& token = options_.bearer_token;
  if (token.empty()) return {};
  std::string_view given = headers.Get("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (given.size() == kScheme.size() + token.size() &&
      http::EqualsIgnoreCase(given.substr(0, kScheme.size()), kScheme) &&
      CRYPTO_memcmp(given.data() + kScheme.size(), token.data(), token.size()) == 0) {
    return {};
  }
  return ApiUnexpected(Unauthorized());
}

http::Response Api::Handle(const http::Request& request) {
  auto call = ParseCall(request, registry_.Get());
  if (!call) return RenderError(call.error());
  auto reply = Dispatch(*call);
  if (!reply) {
    http::Response response = RenderError(reply.error());
    for (const std::string& warning : call->warnings) {
      response.headers.Add("Warning", "299 - " + Json(warning).Dump());
    }
    return response;
  }
  return Render(*call, std::move(*reply));
}

ApiResult<Reply> Api::Dispatch(Call& call) {
  if (!call.resource) {
    if (call.segments.size() >= 4 && IsReviewGroup(call.segments[1])) {
      return Review(*this, call);
    }
    if (auto reply = NonResource(*this, call)) return std::move(*reply);
    return ApiUnexpected(PathNotFound());
  }
  if (!call.resource->deprecation_warning.empty()) {
    call.warnings.push_back(call.resource->deprecation_warning);
  }
  return DispatchResource(call);
}

ApiResult<Reply> Api::DispatchResource(Call& call) {
  const Resource& resource = *call.resource;
  const std::string& m = call.method;
  if (!call.subresource.empty()) {
    if (call.subresource == "scale" && resource.has_scale()) return Scale(*this, call);
    bool status = call.subresource == "status" && resource.has_status;
    if (!status) return ApiUnexpected(PathNotFound());
    if (m == "GET") return Get(*this, call);
    if (m == "PUT") return Update(*this, call);
    if (m == "PATCH") return Patch(*this, call);
  } else if (call.name.empty()) {
    if (m == "GET" || m == "HEAD") return List(*this, call);
    if (m == "POST") return Create(*this, call);
    if (m == "DELETE") return DeleteCollection(*this, call);
  } else {
    if (m == "GET" || m == "HEAD") return Get(*this, call);
    if (m == "PUT") return Update(*this, call);
    if (m == "PATCH") return Patch(*this, call);
    if (m == "DELETE") return Delete(*this, call);
  }
  return ApiUnexpected(
      MethodNotAllowed("the server does not allow this method on the requested resource"));
}

ApiStatus Admit(Api& api, Call& call, std::string_view operation, Json* object,
                const Json* old_object) {
  if (!api.options().admission) return {};
  const Resource& resource = *call.resource;
  AdmissionRequest request{.operation = std::string(operation),
                           .group = resource.group,
                           .version = resource.version,
                           .resource = resource.plural,
                           .kind = resource.kind,
                           .subresource = call.subresource,
                           .name_space = call.name_space,
                           .name = call.name,
                           .dry_run = call.dry_run};
  if (object) {
    request.object = object;
    request.name = (*object)["metadata"]["name"].AsString();
  }
  request.old_object = old_object;
  AdmissionReview review = api.options().admission(request);
  call.warnings.insert(call.warnings.end(), review.warnings.begin(), review.warnings.end());
  if (!review.allowed) {
    std::string message = review.message;
    if (!review.webhook.empty()) {
      message = message.empty()
                    ? fmt::format("admission webhook \"{}\" denied the request without explanation",
                                  review.webhook)
                    : fmt::format("admission webhook \"{}\" denied the request: {}", review.webhook,
                                  message);
    }
    int code = review.code >= 400 ? review.code : 400;
    return ApiUnexpected(MakeApiError(code, review.reason, message));
  }
  if (review.object && object) *object = std::move(*review.object);
  return {};
}

}  // namespace kinglet::local
