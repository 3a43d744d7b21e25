#include "kube/access.h"

#include <map>
#include <set>

namespace kinglet::kube {
namespace {

Json Texts(const std::set<std::string>& texts) {
  Json out = Json::MakeArray();
  for (const std::string& text : texts) out.Push(text);
  return out;
}

}  // namespace

Access Watched(const ResourceType& type) { return {type, {"list", "watch"}}; }

Access WatchedNearby(const ResourceType& type) {
  return {type, {"get", "list", "watch"}, "", {}, true};
}

Access Managed(const ResourceType& type) {
  return {type, {"create", "delete", "get", "list", "update", "watch"}};
}

Access Reported(const ResourceType& type) { return {type, {"update"}, "status"}; }

Access Owning(const ResourceType& type) { return {type, {"update"}, "finalizers"}; }

std::vector<Access> OfScope(const std::vector<Access>& accesses, AccessScope scope) {
  auto scope_of = [](const Access& access) {
    if (access.own_namespace) return AccessScope::kOwnNamespace;
    return access.type.namespaced ? AccessScope::kNamespace : AccessScope::kCluster;
  };
  std::vector<Access> out;
  for (const Access& access : accesses) {
    if (scope_of(access) == scope) out.push_back(access);
  }
  return out;
}

Json MakeRules(const std::vector<Access>& accesses) {
  // First all verbs of one resource, then resources with the same verbs in one rule.
  std::map<std::tuple<std::string, std::set<std::string>, std::string>, std::set<std::string>>
      verbs;
  for (const Access& access : accesses) {
    std::string resource = access.type.plural;
    if (!access.subresource.empty()) resource += "/" + access.subresource;
    std::set<std::string> names(access.names.begin(), access.names.end());
    verbs[{access.type.group, std::move(names), std::move(resource)}].insert(access.verbs.begin(),
                                                                             access.verbs.end());
  }
  using Rule = std::tuple<std::string, std::set<std::string>, std::set<std::string>>;
  std::map<Rule, std::set<std::string>> rules;
  for (const auto& [what, allowed] : verbs) {
    const auto& [group, names, resource] = what;
    rules[{group, names, allowed}].insert(resource);
  }
  Json out = Json::MakeArray();
  for (const auto& [rule, resources] : rules) {
    const auto& [group, names, allowed] = rule;
    Json json = Json::MakeObject(
        {{"apiGroups", Json::MakeArray({group})}, {"resources", Texts(resources)}});
    if (!names.empty()) json.Set("resourceNames", Texts(names));
    json.Set("verbs", Texts(allowed));
    out.Push(std::move(json));
  }
  return out;
}

std::vector<Access> LeaderElectionAccess() {
  return {{kLease, {"create", "get", "update"}, "", {}, true}};
}

std::vector<Access> EventAccess() { return {{kEvent, {"create", "patch"}}}; }

std::vector<Access> WebhookCertificateAccess(const std::string& secret,
                                             const std::vector<std::string>& mutating,
                                             const std::vector<std::string>& validating) {
  return {
      // Names cannot restrict a create.
      {kSecret, {"create"}, "", {}, true},
      {kSecret, {"get", "update"}, "", {secret}, true},
      {kMutatingWebhookConfiguration, {"get", "update"}, "", mutating},
      {kValidatingWebhookConfiguration, {"get", "update"}, "", validating},
  };
}

}  // namespace kinglet::kube
