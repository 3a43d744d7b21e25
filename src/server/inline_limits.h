// Which predictions run on an event loop itself, where they cost no change of threads but hold up
// the loop's other connections, health checks among them.
//
// What a byte of a body costs differs between models by many orders of magnitude, so it is learned:
// a model's limit begins small, grows with bodies that were answered quickly, and falls to what
// would have been quick after one that took long. Longer bodies are for a pool.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace kinglet::server {

// Of one loop; not synchronised. Models whose names share a place share a limit.
class InlineLimits {
 public:
  explicit InlineLimits(size_t most);

  // The longest body for this model that the loop should answer itself.
  size_t For(std::string_view model) const { return limits_[Place(model)]; }
  // A body was answered, here or on the pool. `answered`: with a prediction.
  void Note(std::string_view model, size_t body_bytes, bool answered,
            std::chrono::nanoseconds took);

 private:
  static constexpr size_t kPlaces = 64;
  size_t Place(std::string_view model) const;

  size_t most_;
  std::array<size_t, kPlaces> limits_;
};

}  // namespace kinglet::server
