// A cluster in memory for the fault suite: an API server, what stands in for Kubernetes' and
// Knative's own controllers, and the controllers under test, which may be killed and started again.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/controller.h"
#include "kube/fake_client.h"
#include "test/fault/faulty_client.h"

namespace kinglet::fault {

class World {
 public:
  // Starts with the configuration and runtimes of `base` (a YAML list of objects).
  explicit World(std::string_view base);
  ~World();

  // The client the next start of the controllers uses. Faults are armed on it before Start.
  FaultyClient& faults() { return *client_; }
  void Start();

  // Creates, or merges into what is there.
  void Apply(const Json& object);
  void Delete(std::string_view kind, const std::string& name);

  // Plays the neighbours and restarts killed controllers until the objects are as `wanted` says
  // (or, with an empty one, until nothing moves any more). Returns them; at the deadline as they
  // then are.
  std::string Settle(const std::string& wanted);

  // Every object that counts, without what differs from run to run.
  std::string Snapshot();

 private:
  void Stop();
  // Grows with every write to the server.
  std::string Version();
  // One round of the garbage collector, the Deployment controller, the gateway and Knative.
  void PlayNeighbours();
  // Removes what was made for an owner that is gone: the server takes such objects, whose maker did
  // not know yet.
  void CollectGarbage();

  kube::FakeClient server_;
  std::unique_ptr<FaultyClient> client_;
  std::vector<std::unique_ptr<FaultyClient>> dead_clients_;
  std::stop_source stop_;
  std::vector<std::unique_ptr<control::Controller>> controllers_;
};

}  // namespace kinglet::fault
