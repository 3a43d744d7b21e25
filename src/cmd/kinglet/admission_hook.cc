#include "cmd/kinglet/admission_hook.h"

#include "admission/admitter.h"

namespace kinglet::standalone {

struct AdmissionHook::Impl {
  admission::Admitter admitter;
};

AdmissionHook::AdmissionHook() = default;
AdmissionHook::~AdmissionHook() = default;

void AdmissionHook::Connect(kube::Client& client) {
  impl_ = std::make_unique<Impl>(Impl{admission::Admitter(client, "kserve")});
  connected_ = impl_.get();
}

local::AdmissionReview AdmissionHook::Review(const local::AdmissionRequest& request) {
  Impl* impl = connected_;
  if (!impl) return {};
  admission::Request asked;
  asked.operation = request.operation;
  asked.group = request.group;
  asked.version = request.version;
  asked.kind = request.kind;
  asked.resource = request.resource;
  asked.ns = request.name_space;
  asked.name = request.name;
  // The API server asks for status writes too; no webhook of KServe is registered for them.
  if (!request.subresource.empty()) return {};
  if (request.object) asked.object = *request.object;
  if (request.old_object) asked.old_object = *request.old_object;
  local::AdmissionReview review;
  admission::Response response = impl->admitter.Admit(asked, &review.webhook);
  review.allowed = response.allowed;
  review.code = response.code;
  review.message = std::move(response.message);
  review.object = std::move(response.object);
  review.warnings = std::move(response.warnings);
  return review;
}

}  // namespace kinglet::standalone
