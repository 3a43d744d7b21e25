// There is one user, who may do everything.
#include "local/apiserver/review.h"

#include "local/apiserver/api.h"

namespace kinglet::local {
namespace {

Json User() {
  return Json::MakeObject(
      {{"username", "kinglet-admin"},
       {"groups", Json::MakeArray({"system:masters", "system:authenticated"})}});
}

Json AllRules() {
  Json all = Json::MakeArray({"*"});
  Json rule = Json::MakeObject({{"verbs", all}, {"apiGroups", all}, {"resources", all}});
  Json other = Json::MakeObject({{"verbs", all}, {"nonResourceURLs", all}});
  return Json::MakeObject({{"resourceRules", Json::MakeArray({rule})},
                           {"nonResourceRules", Json::MakeArray({other})},
                           {"incomplete", false}});
}

}  // namespace

ApiResult<Reply> Review(Api& api, Call& call) {
  const std::string& group = call.segments[1];
  const ReviewKind* found = nullptr;
  for (const ReviewKind& kind : kReviewKinds) {
    if (kind.group == group && kind.plural == call.segments.back()) found = &kind;
  }
  if (!found || call.segments[2] != "v1") return ApiUnexpected(PathNotFound());
  if (call.method != "POST") {
    return ApiUnexpected(
        MethodNotAllowed("the server does not allow this method on the requested resource"));
  }
  // "Who am I" says nothing that is worth reading, in whatever format.
  Json review = Json::MakeObject();
  if (found->kind != "SelfSubjectReview") {
    KINGLET_API_TRY(review, ParseBody(call));
  }
  if (!review.IsObject()) return ApiUnexpected(BadRequest("the request body must be an object"));
  Json status;
  if (found->kind == "SelfSubjectReview") {
    status = Json::MakeObject({{"userInfo", User()}});
  } else if (found->kind == "TokenReview") {
    const std::string& token = review.At({"spec", "token"}).AsString();
    bool ours = !token.empty() && token == api.options().bearer_token;
    status = Json::MakeObject({{"authenticated", ours}});
    if (ours) status.Set("user", User());
  } else if (found->kind == "SelfSubjectRulesReview") {
    status = AllRules();
  } else {
    status = Json::MakeObject({{"allowed", true}});
  }
  review.Set("status", std::move(status));
  review.Set("kind", std::string(found->kind));
  review.Set("apiVersion", group + "/v1");
  return Reply::Raw(std::move(review), 201);
}

}  // namespace kinglet::local
