// What happens to objects without a request: dependents of deleted owners are deleted (or orphaned,
// or deleted first), namespaces that are being deleted are emptied and removed, and Events are
// deleted when their lifetime is over.
// https://kubernetes.io/docs/concepts/architecture/garbage-collection/
//
// One thread of its own, driven by the store's events and, for Events, by time.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "local/apiserver/api.h"

namespace kinglet::local {

class Collector {
 public:
  explicit Collector(Api& api);
  ~Collector();  // Stop
  void Start();
  void Stop();

 private:
  struct Key {
    std::string resource;
    ObjectRef ref;
    auto operator<=>(const Key&) const = default;
  };

  void Run(std::stop_token stop);
  void Index(const Record& record);
  void Unindex(const Record& record);
  void Handle(const StoreEvent& event);
  void OwnerGone(const std::string& uid);
  // Deletes a dependent none of whose owners lives, or takes the dead ones out of its references.
  void Attempt(const Key& key);
  void FinishForeground(const Record& owner);
  void FinishOrphan(const Record& owner);
  void EmptyNamespace(const std::string& name);
  void DeleteOldEvents();
  bool OwnerLives(const std::string& uid) const;
  // A write of our own, again until it holds; `change` returns whether it changed anything.
  void Edit(const Key& key, const std::function<bool(Json&)>& change);
  void DeleteKey(const Key& key, std::string_view uid, std::string_view propagation);

  Api& api_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  std::shared_ptr<Watcher> watcher_;
  std::map<std::string, std::set<Key>> dependents_;  // owner's uid -> who names it
  std::map<std::string, Key> alive_;                 // uid -> object
  std::set<std::string> ending_;                     // namespaces being deleted
  SteadyTime next_sweep_{};
  std::jthread thread_;
};

}  // namespace kinglet::local
