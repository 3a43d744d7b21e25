#include "local/gateway/routes.h"

#include <algorithm>
#include <cctype>

#include "base/encoding.h"
#include "base/text.h"
#include "kube/object.h"

namespace kinglet::gateway {
namespace {

constexpr size_t kListed = 10;  // names in an answer: it must not grow with what is served

// Decodes what can be decoded and leaves the rest, as lenient servers do.
std::string DecodeLeniently(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto decoded = text[i] == '%' ? UrlDecode(text.substr(i, 3)) : std::string(1, text[i]);
    if (decoded && text[i] == '%') i += 2;
    out += decoded ? *decoded : "%";
  }
  return out;
}

// "Name.Example:8080." -> {"name.example", 8080}
std::pair<std::string, int> SplitHost(std::string_view host) {
  int port = 0;
  size_t colon = host.rfind(':');
  if (colon != host.npos && host.find(']', colon) == host.npos) {
    for (char c : host.substr(colon + 1)) {
      if (c < '0' || c > '9' || port > 65535) {
        port = 0;
        break;
      }
      port = port * 10 + (c - '0');
    }
    host = host.substr(0, colon);
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  return {AsciiLower(host), port};
}

// Whether `prefix` covers `path` by whole elements, as pathType Prefix wants it.
bool Covers(std::string_view prefix, std::string_view path) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

// ^/v1/models/[\w-]+:explain$
bool IsExplain(std::string_view path) {
  constexpr std::string_view kPrefix = "/v1/models/", kSuffix = ":explain";
  if (!path.starts_with(kPrefix) || !path.ends_with(kSuffix) ||
      path.size() <= kPrefix.size() + kSuffix.size()) {
    return false;
  }
  std::string_view name =
      path.substr(kPrefix.size(), path.size() - kPrefix.size() - kSuffix.size());
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

}  // namespace

EndpointPtr EndpointRegistry::Get(const std::string& ip, int port) {
  EndpointPtr& endpoint = known_[{ip, port}];
  if (!endpoint) {
    endpoint = std::make_shared<Endpoint>();
    endpoint->ip = ip;
    endpoint->port = port;
  }
  return endpoint;
}

void EndpointRegistry::Prune(const std::set<EndpointPtr>& in_use) {
  for (auto it = known_.begin(); it != known_.end();) {
    if (in_use.contains(it->second)) {
      ++it;
      continue;
    }
    if (it->second->outstanding > 0) leaving_.push_back(it->second);
    it = known_.erase(it);
  }
  std::erase_if(leaving_, [](const EndpointPtr& endpoint) { return endpoint->outstanding == 0; });
}

std::vector<EndpointPtr> EndpointRegistry::OfPod(const std::string& ip) const {
  std::vector<EndpointPtr> found;
  for (const auto& [key, endpoint] : known_) {
    if (key.first == ip) found.push_back(endpoint);
  }
  for (const EndpointPtr& endpoint : leaving_) {
    if (endpoint->ip == ip) found.push_back(endpoint);
  }
  return found;
}

std::shared_ptr<const RoutingTable> RoutingTable::Build(const std::vector<Json>& ingresses,
                                                        const std::vector<Json>& services,
                                                        const std::vector<Json>& endpoints,
                                                        std::string_view cluster_domain,
                                                        EndpointRegistry& registry) {
  auto table = std::make_shared<RoutingTable>();
  table->cluster_domain_ = AsciiLower(cluster_domain);
  std::map<std::string, const Json*> endpoints_of;
  for (const Json& each : endpoints) endpoints_of[kube::KeyOf(each).ToString()] = &each;
  std::set<EndpointPtr> in_use;

  for (const Json& service : services) {
    const std::string key = kube::KeyOf(service).ToString();
    Service& entry = table->services_[key];
    const Json* addresses = endpoints_of.contains(key) ? endpoints_of[key] : nullptr;
    for (const Json& port : service["spec"]["ports"].AsArray()) {
      auto backend = std::make_shared<Backend>();
      backend->ns = kube::Namespace(service);
      backend->service = kube::Name(service);
      const std::string& name = port["name"].AsString();
      for (const Json& subset : addresses ? (*addresses)["subsets"].AsArray() : Json::Array()) {
        for (const Json& target : subset["ports"].AsArray()) {
          if (target["name"].AsString() != name) continue;
          int64_t number = target["port"].AsInt();
          if (number < 1 || number > 65535) continue;
          for (const Json& address : subset["addresses"].AsArray()) {
            EndpointPtr endpoint = registry.Get(address["ip"].AsString(), static_cast<int>(number));
            in_use.insert(endpoint);
            backend->endpoints.push_back(std::move(endpoint));
          }
        }
      }
      entry.ports[static_cast<int>(port["port"].AsInt())] = backend;
      if (!name.empty()) entry.names[name] = backend;
      if (!entry.first) entry.first = backend;
    }
  }

  for (const Json& ingress : ingresses) {
    const std::string& ns = kube::Namespace(ingress);
    std::string top_host;
    BackendPtr top;
    for (const Json& rule : ingress["spec"]["rules"].AsArray()) {
      const std::string host = SplitHost(rule["host"].AsString()).first;
      for (const Json& path : rule["http"]["paths"].AsArray()) {
        const Json& target = path["backend"]["service"];
        const std::string& name = target["name"].AsString();
        const Json& port = target["port"];
        BackendPtr backend;
        auto service = table->services_.find(ns + "/" + name);
        if (service != table->services_.end()) {
          const Service& known = service->second;
          if (auto it = known.names.find(port["name"].AsString()); it != known.names.end()) {
            backend = it->second;
          } else if (auto by = known.ports.find(static_cast<int>(port["number"].AsInt()));
                     by != known.ports.end()) {
            backend = by->second;
          } else {
            backend = known.first;
          }
        }
        if (!backend) {
          // The Service does not exist yet: the route does, and answers 503.
          auto empty = std::make_shared<Backend>();
          empty->ns = ns;
          empty->service = name;
          backend = empty;
        }
        std::string where = path["path"].StringOr("/");
        // The host of the InferenceService itself is shorter than those of its components.
        bool named = where == "/" && !host.empty() && host[0] != '*';
        if (named && (!top || host.size() < top_host.size())) {
          top = backend;
          top_host = host;
        }
        if (!host.empty()) {
          table->hosts_[host].push_back(
              {std::move(where), path["pathType"].AsString() == "Exact", std::move(backend)});
        }
      }
    }
    if (!top) continue;
    InferenceService& served = table->served_[ns + "/" + kube::Name(ingress)];
    served.main = top;
    auto explainer = table->services_.find(ns + "/" + kube::Name(ingress) + "-explainer");
    if (explainer != table->services_.end()) served.explainer = explainer->second.first;
  }
  registry.Prune(in_use);
  return table;
}

const RoutingTable::Rule* RoutingTable::BestRule(const std::vector<Rule>& rules,
                                                 std::string_view path) {
  const Rule* best = nullptr;
  for (const Rule& rule : rules) {
    if (rule.exact ? path != rule.path : !Covers(rule.path, path)) continue;
    // Exact before prefix, then the longest; the first of equals.
    if (!best ||
        std::pair(rule.exact, rule.path.size()) > std::pair(best->exact, best->path.size())) {
      best = &rule;
    }
  }
  return best;
}

const RoutingTable::Service* RoutingTable::FindService(std::string_view host) const {
  if (std::string suffix = "." + cluster_domain_; host.ends_with(suffix)) {
    host.remove_suffix(suffix.size());
    if (!host.ends_with(".svc")) return nullptr;
  }
  if (host.ends_with(".svc")) host.remove_suffix(4);
  size_t dot = host.find('.');
  if (dot == host.npos || host.find('.', dot + 1) != host.npos) return nullptr;
  auto it =
      services_.find(std::string(host.substr(dot + 1)) + "/" + std::string(host.substr(0, dot)));
  return it == services_.end() ? nullptr : &it->second;
}

Match RoutingTable::FindByPath(std::string_view path, std::string_view query) const {
  constexpr std::string_view kPrefix = "/serving/";
  std::string_view rest = path.substr(kPrefix.size());
  size_t slash = rest.find('/');
  if (slash == rest.npos) return {};
  size_t end = rest.find('/', slash + 1);
  std::string_view key = rest.substr(0, end);
  std::string_view inner = end == rest.npos ? std::string_view("/") : rest.substr(end);
  auto it = served_.find(key);
  Match match;
  if (it == served_.end()) {
    match.hint = fmt::format(
        "no InferenceService {} has an address here; paths are "
        "/serving/<namespace>/<name>/...",
        key);
    size_t listed = 0;
    for (const auto& [name, served] : served_) {
      if (listed == kListed) {
        match.hint += ", ...";
        break;
      }
      match.hint += (listed++ ? ", " : "; there is ") + name;
    }
    return match;
  }
  match.backend = it->second.explainer && IsExplain(inner) ? it->second.explainer : it->second.main;
  match.target = std::string(inner);
  if (!query.empty()) match.target += "?" + std::string(query);
  return match;
}

std::string RoutingTable::Hint(std::string_view host) const {
  std::string hint = fmt::format("no route for host \"{}\"", host);
  if (hosts_.empty()) return hint + "; nothing is served yet: see kubectl get inferenceservices";
  hint += "; known hosts: ";
  size_t listed = 0;
  for (const auto& [name, rules] : hosts_) {
    if (listed == kListed) return hint + ", ...";
    hint += (listed++ ? ", " : "") + name;
  }
  return hint;
}

bool RoutingTable::KnowsHost(std::string_view name) const {
  if (hosts_.contains(name)) return true;
  size_t dot = name.find('.');
  return (dot != name.npos && hosts_.contains("*" + std::string(name.substr(dot)))) ||
         (std::ranges::count(name, '.') > 1 && FindService(name) != nullptr);
}

Match RoutingTable::Find(std::string_view host, std::string_view path,
                         std::string_view query) const {
  // First, so that it works whatever the gateway itself is called; no model server has such paths.
  Match by_path = path.starts_with("/serving/") ? FindByPath(path, query) : Match{};
  if (by_path.backend) return by_path;
  auto [name, port] = SplitHost(host);
  auto rules = hosts_.find(name);
  if (rules == hosts_.end()) {
    if (size_t dot = name.find('.'); dot != name.npos) rules = hosts_.find("*" + name.substr(dot));
  }
  if (rules != hosts_.end()) {
    if (const Rule* rule = BestRule(rules->second, path)) return {rule->backend, "", ""};
    return {nullptr, "", fmt::format("host \"{}\" has no route for path {}", name, path)};
  }
  if (const Service* service = FindService(name)) {
    auto it = service->ports.find(port);
    BackendPtr backend = it != service->ports.end() ? it->second : service->first;
    if (backend) return {backend, "", ""};
  }
  if (!by_path.hint.empty()) return by_path;
  return {nullptr, "", Hint(name)};
}

bool IsRepositoryPath(std::string_view path) {
  std::string decoded = AsciiLower(path);
  // "%2572" is "%72" is "r"; no server decodes more often.
  for (int i = 0; i < 4 && decoded.find('%') != decoded.npos; ++i) {
    decoded = AsciiLower(DecodeLeniently(decoded));
  }
  if (decoded.find("repository") == decoded.npos) return false;
  std::vector<std::string> segments;
  std::string_view rest = decoded;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of("/\\"), rest.size());
    std::string segment(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    // Some servers take parameters off a segment: "repository;x".
    segment.resize(std::min(segment.find(';'), segment.size()));
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else {
      segments.push_back(std::move(segment));
    }
  }
  return segments.size() >= 2 && segments[0] == "v2" && segments[1] == "repository";
}

EndpointPtr PickEndpoint(const Backend& backend, const std::vector<EndpointPtr>& tried,
                         uint64_t turn) {
  EndpointPtr best;
  int64_t least = 0;
  const size_t count = backend.endpoints.size();
  for (size_t i = 0; i < count; ++i) {
    const EndpointPtr& each = backend.endpoints[(turn + i) % count];
    if (each->retired || std::find(tried.begin(), tried.end(), each) != tried.end()) continue;
    int64_t outstanding = each->outstanding;
    if (!best || outstanding < least) {
      best = each;
      least = outstanding;
    }
  }
  return best;
}

}  // namespace kinglet::gateway
