// An API client whose calls fail at one chosen place: what a controller sees of a server that is
// restarted, slow or cut off, and what it leaves when it is killed.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kube/client.h"

namespace kinglet::fault {

// One call among all: the n-th of its verb, kind, object and subresource (from 1).
struct Place {
  std::string verb, kind, name, subresource;
  int number = 1;

  auto operator<=>(const Place&) const = default;
  std::string ToString() const;
};

enum class Fault {
  kRefuse,     // fails, without effect
  kConflict,   // as kRefuse, the way optimistic concurrency refuses
  kLoseReply,  // takes effect, but the caller sees a timeout
  kCrash,      // takes effect; from then on this client is dead
};
std::string_view FaultText(Fault fault);

// How watch events of one kind arrive.
enum class Delivery {
  kPlain,
  kTwice,
  kLate,    // a moment after everything else
  kMissed,  // the first ones never: the watch expires, and only a new list tells
};
std::string_view DeliveryText(Delivery delivery);

// Thread-safe. Forwards to `server`, which must outlive it. Lists and watches are not places.
class FaultyClient : public kube::Client {
 public:
  explicit FaultyClient(kube::Client& server) : server_(server) {}

  // Before any call. Fails the call at `place` once.
  void Arm(Place place, Fault fault);
  // Before any call. Watches of `kind`.
  void Deliver(std::string kind, Delivery delivery);
  bool crashed() const;
  // Whether the armed place was reached.
  bool fired() const;
  // Every call made so far.
  std::vector<Place> places() const;

  Result<Json> Get(const kube::ResourceType& type, const kube::ObjectKey& key,
                   const kube::GetOptions& options) override;
  Result<Json> List(const kube::ResourceType& type, std::string_view ns,
                    const kube::ListOptions& options) override;
  Result<Json> Create(const kube::ResourceType& type, const Json& object,
                      const kube::WriteOptions& options) override;
  Result<Json> Update(const kube::ResourceType& type, const Json& object,
                      const kube::WriteOptions& options) override;
  Result<Json> Patch(const kube::ResourceType& type, const kube::ObjectKey& key,
                     kube::PatchType patch_type, const Json& patch,
                     const kube::WriteOptions& options) override;
  Status Delete(const kube::ResourceType& type, const kube::ObjectKey& key,
                const kube::DeleteOptions& options) override;
  Status DeleteCollection(const kube::ResourceType& type, std::string_view ns,
                          const kube::ListOptions& which,
                          const kube::DeleteOptions& options) override;
  Status Watch(const kube::ResourceType& type, std::string_view ns,
               const kube::WatchOptions& options,
               const std::function<Status(kube::WatchEvent)>& on_event,
               std::stop_token stop) override;
  Status Logs(const kube::ObjectKey& pod, const kube::LogOptions& options,
              const std::function<Status(std::string_view)>& on_bytes,
              std::stop_token stop) override;
  Result<std::string> Raw(const kube::RawRequest& request) override;

 private:
  // Makes `call` with what is armed for its place. R is a Result or a Status.
  template <class R>
  R At(Place place, const std::function<R()>& call);
  Status WatchMissing(const kube::ResourceType& type, std::string_view ns,
                      const kube::WatchOptions& options,
                      const std::function<Status(kube::WatchEvent)>& on_event,
                      std::stop_token stop);

  kube::Client& server_;
  mutable std::mutex mutex_;
  std::map<Place, int> counts_;  // with number 0
  std::vector<Place> places_;
  std::optional<std::pair<Place, Fault>> armed_;
  std::string delivered_kind_;
  Delivery delivery_ = Delivery::kPlain;
  int missed_ = 0;
  bool crashed_ = false, fired_ = false;
};

}  // namespace kinglet::fault
