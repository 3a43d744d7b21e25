#include "kube/scoped_client.h"

#include <charconv>

namespace kinglet::kube {
namespace {

// FNV-1a: all managers must agree on it, whatever they were built with.
uint64_t Hash(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (unsigned char byte : text) hash = (hash ^ byte) * 1099511628211u;
  return hash;
}

class ScopedClient : public Client {
 public:
  ScopedClient(Client& inner, Scope scope) : inner_(inner), scope_(std::move(scope)) {}

  Result<Json> List(const ResourceType& type, std::string_view ns,
                    const ListOptions& options) override {
    if (!Narrows(type, ns)) return inner_.List(type, ns, options);
    KINGLET_TRY(Json list, inner_.List(type, scope_.ns, options));
    Json kept = Json::MakeArray();
    for (Json& item : list.Ref("items").MutableArray()) {
      if (scope_.Contains(Namespace(item))) kept.Push(std::move(item));
    }
    list.Set("items", std::move(kept));
    return list;
  }

  Status Watch(const ResourceType& type, std::string_view ns, const WatchOptions& options,
               const std::function<Status(WatchEvent)>& on_event, std::stop_token stop) override {
    if (!Narrows(type, ns)) return inner_.Watch(type, ns, options, on_event, std::move(stop));
    auto in_scope = [&](WatchEvent event) -> Status {
      if (event.type != WatchEvent::Type::kBookmark && !scope_.Contains(Namespace(event.object))) {
        // The version moves on all the same, or a quiet shard would start from an expired one.
        Json bookmark = Json::MakeObject();
        bookmark.Path({"metadata"}).Set("resourceVersion", ResourceVersion(event.object));
        return on_event({WatchEvent::Type::kBookmark, std::move(bookmark)});
      }
      return on_event(std::move(event));
    };
    return inner_.Watch(type, scope_.ns, options, in_scope, std::move(stop));
  }

  Result<Json> Get(const ResourceType& type, const ObjectKey& key,
                   const GetOptions& options) override {
    return inner_.Get(type, key, options);
  }
  Result<Json> Create(const ResourceType& type, const Json& object,
                      const WriteOptions& options) override {
    return inner_.Create(type, object, options);
  }
  Result<Json> Update(const ResourceType& type, const Json& object,
                      const WriteOptions& options) override {
    return inner_.Update(type, object, options);
  }
  Result<Json> Patch(const ResourceType& type, const ObjectKey& key, PatchType patch_type,
                     const Json& patch, const WriteOptions& options) override {
    return inner_.Patch(type, key, patch_type, patch, options);
  }
  Status Delete(const ResourceType& type, const ObjectKey& key,
                const DeleteOptions& options) override {
    return inner_.Delete(type, key, options);
  }
  Status DeleteCollection(const ResourceType& type, std::string_view ns, const ListOptions& which,
                          const DeleteOptions& options) override {
    return inner_.DeleteCollection(type, ns, which, options);
  }
  Status Logs(const ObjectKey& pod, const LogOptions& options,
              const std::function<Status(std::string_view)>& on_bytes,
              std::stop_token stop) override {
    return inner_.Logs(pod, options, on_bytes, std::move(stop));
  }
  Result<std::string> Raw(const RawRequest& request) override { return inner_.Raw(request); }

 private:
  bool Narrows(const ResourceType& type, std::string_view ns) const {
    return type.namespaced && ns.empty() && !scope_.IsEverything();
  }

  Client& inner_;
  const Scope scope_;
};

}  // namespace

bool Scope::Contains(std::string_view of) const {
  if (!ns.empty() && ns != of) return false;
  return shards <= 1 || static_cast<int64_t>(Hash(of) % static_cast<uint64_t>(shards)) == shard;
}

Result<Scope> ParseScope(std::string ns, std::string_view shard) {
  Scope scope{.ns = std::move(ns)};
  if (shard.empty()) return scope;
  const size_t slash = shard.find('/');
  auto number = [](std::string_view text, int64_t& into) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
  };
  if (slash == std::string_view::npos || !number(shard.substr(0, slash), scope.shard) ||
      !number(shard.substr(slash + 1), scope.shards) || scope.shard < 0 ||
      scope.shard >= scope.shards) {
    return Fail(Code::kInvalidArgument,
                "\"{}\" is no shard: want INDEX/COUNT with INDEX from 0 to COUNT-1", shard);
  }
  return scope;
}

std::unique_ptr<Client> MakeScopedClient(Client& inner, Scope scope) {
  return std::make_unique<ScopedClient>(inner, std::move(scope));
}

}  // namespace kinglet::kube
