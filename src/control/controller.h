// What every controller of this module is to those who run it: the manager, standalone mode, tests.
#pragma once

#include <stop_token>

#include "base/clock.h"

namespace kinglet::control {

class Controller {
 public:
  virtual ~Controller() = default;  // stops and joins

  // Starts watches and workers; returns at once. The threads end when `stop` is requested.
  virtual void Start(std::stop_token stop) = 0;
  // False when the deadline passed first. True: the watches are up.
  virtual bool WaitForSync(Deadline deadline, std::stop_token stop) = 0;
  virtual void Join() = 0;
  // Nothing queued and no worker busy. For tests.
  virtual bool Idle() const = 0;

 protected:
  Controller() = default;
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;
};

}  // namespace kinglet::control
