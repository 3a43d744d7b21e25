// What is to be done about one model of a node, from what is known of it. Pure.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "control/localmodelnode/model_store.h"
#include "control/localmodelnode/record.h"
#include "control/localmodelnode/room.h"

namespace kinglet::control {

// How often a model that was lost or damaged is brought again before a person has to look, and how
// long it must last until that is forgotten.
inline constexpr int kMaxAttempts = 5;
inline constexpr int64_t kLastingSeconds = 3600;

struct ModelFacts {
  Health health = Health::kMissing;
  ModelRecord record;
  const Json* job = nullptr;  // the latest one
  Room room = Room::kKeep;
  // Of the first model with the same URI; null for the first itself.
  const struct Decision* twin = nullptr;
  bool twin_whole = false;  // and its folder can be shared
};

struct Decision {
  enum class Action {
    kNothing,
    kAdopt,  // what lies there is the model: remember what it consists of
    kDownload,
    kShare,  // from the twin
    kRemove,
  };
  Action action = Action::kNothing;
  std::string state;                 // ModelDownloaded, ...
  std::string reason;                // for people; "" where all is as it should be
  bool again = false;                // the download is another attempt
  std::string damage;                // what makes it necessary
  Duration wait = Duration::zero();  // look again then; zero: at the next regular time
};

// `now`: seconds since 1970. A damaged folder has been invalidated before (Health::kUnknown, with
// the damage in the record).
Decision Decide(const ModelFacts& facts, int64_t now);

}  // namespace kinglet::control
