// Reviews: questions about who somebody is and what they may do. Answered, not stored.
#pragma once

#include <string_view>

namespace kinglet::local {

inline constexpr std::string_view kReviewGroups[] = {"authentication.k8s.io",
                                                     "authorization.k8s.io"};  // v1 of each

struct ReviewKind {
  std::string_view group, plural, kind;
};
inline constexpr ReviewKind kReviewKinds[] = {
    {"authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"},
    {"authentication.k8s.io", "tokenreviews", "TokenReview"},
    {"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"},
    {"authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"},
};

inline bool IsReviewGroup(std::string_view group) {
  return group == kReviewGroups[0] || group == kReviewGroups[1];
}

}  // namespace kinglet::local
