// What every Client has: conveniences over the virtual calls.
#include "kube/client.h"

namespace kinglet::kube {
namespace {

constexpr size_t kMaxPages = 10'000;  // of 500 objects
constexpr size_t kMaxToken = 16 << 10;

}  // namespace

std::string_view PatchContentType(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategic:
      return "application/strategic-merge-patch+json";
    case PatchType::kApply:
      return "application/apply-patch+yaml";
  }
  return "";
}

Result<Json> Client::UpdateStatus(const ResourceType& type, const Json& object) {
  return Update(type, object, {.subresource = "status"});
}

Result<std::vector<Json>> Client::ListAll(const ResourceType& type, std::string_view ns,
                                          ListOptions options) {
  std::vector<Json> items;
  size_t pages = 0;
  if (options.limit == 0) options.limit = 500;
  bool restarted = false;
  while (true) {
    auto page = List(type, ns, options);
    if (!page && page.error().code() == Code::kOutOfRange && !options.continue_token.empty() &&
        !restarted) {
      // The continue token grew too old: one whole list instead, as client-go's pager does.
      restarted = true;
      items.clear();
      options.continue_token.clear();
      options.limit = 0;
      continue;
    }
    if (!page) return Unexpected(page.error());
    // A server that never comes to an end, or hands out the same page again and again.
    if (++pages > kMaxPages || (*page)["metadata"]["continue"].AsString().size() > kMaxToken) {
      return Fail(Code::kResourceExhausted,
                  "the API server's list of {} does not end: it has sent {} pages", type.plural,
                  pages);
    }
    if (!options.continue_token.empty() &&
        (*page)["metadata"]["continue"].AsString() == options.continue_token) {
      return Fail(Code::kDataLoss, "the API server's list of {} goes in a circle", type.plural);
    }
    if (Json* list = page->Find("items"); list && list->IsArray()) {
      for (Json& item : list->MutableArray()) items.push_back(std::move(item));
    }
    options.continue_token = (*page)["metadata"]["continue"].AsString();
    if (options.continue_token.empty()) return items;
  }
}

Result<Json> Client::Apply(const ResourceType& type, const Json& object,
                           std::string_view field_manager, bool force, bool dry_run) {
  return Patch(type, KeyOf(object), PatchType::kApply, object,
               {.dry_run = dry_run, .field_manager = std::string(field_manager), .force = force});
}

Status Client::DeleteIfExists(const ResourceType& type, const ObjectKey& key,
                              const DeleteOptions& options) {
  auto status = Delete(type, key, options);
  if (!status && status.error().code() == Code::kNotFound) return {};
  return status;
}

}  // namespace kinglet::kube
