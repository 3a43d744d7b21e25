// An API server in memory for tests: optimistic concurrency, generateName, uids, generation, status
// subresource, selectors, paging, watches with history, finalizers and (on request) garbage
// collection of owned objects. No validation and no defaults.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "kube/client.h"

namespace kinglet::kube {

class FakeClient : public Client {
 public:
  struct Options {
    // Kinds whose status is written through the subresource only. Default: all.
    bool status_subresource = true;
    // Deletes objects whose controller is gone, at once.
    bool garbage_collection = true;
    // Watches from further back than so many events answer kOutOfRange.
    size_t history = 10'000;
    const Clock* clock = nullptr;  // creationTimestamp; null: the system's
  };
  // What a call was, for `on_call` and `calls`.
  struct Call {
    std::string verb;  // get list create update patch delete deletecollection watch
    ResourceType type;
    ObjectKey key;
    std::string subresource;
    bool dry_run = false;
  };

  FakeClient();
  explicit FakeClient(Options options);
  ~FakeClient() override;

  Result<Json> Get(const ResourceType& type, const ObjectKey& key,
                   const GetOptions& options = {}) override;
  Result<Json> List(const ResourceType& type, std::string_view ns,
                    const ListOptions& options = {}) override;
  Result<Json> Create(const ResourceType& type, const Json& object,
                      const WriteOptions& options = {}) override;
  Result<Json> Update(const ResourceType& type, const Json& object,
                      const WriteOptions& options = {}) override;
  Result<Json> Patch(const ResourceType& type, const ObjectKey& key, PatchType patch_type,
                     const Json& patch, const WriteOptions& options = {}) override;
  Status Delete(const ResourceType& type, const ObjectKey& key,
                const DeleteOptions& options = {}) override;
  Status DeleteCollection(const ResourceType& type, std::string_view ns, const ListOptions& which,
                          const DeleteOptions& options = {}) override;
  Status Watch(const ResourceType& type, std::string_view ns, const WatchOptions& options,
               const std::function<Status(WatchEvent)>& on_event, std::stop_token stop) override;
  Status Logs(const ObjectKey& pod, const LogOptions& options,
              const std::function<Status(std::string_view)>& on_bytes,
              std::stop_token stop) override;
  // Serves discovery of the kinds given to Serve (all known ones by default).
  Result<std::string> Raw(const RawRequest& request) override;

  // Test hooks, thread-safe.
  // Kinds outside the list answer kNotFound, as before their CRD is installed. Ends all watches.
  void Serve(std::vector<ResourceType> types);
  // Called before each operation without locks held; an error is returned to the caller instead.
  void OnCall(std::function<Status(const Call&)> hook);
  std::vector<Call> calls() const;
  void ClearCalls();
  void SetLogs(const ObjectKey& pod, std::string_view container, std::string text);
  // Ends all running watches, as a restarting server does.
  void BreakWatches();
  // Forgets history: watches and lists from older versions are kOutOfRange.
  void Compact();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kinglet::kube
