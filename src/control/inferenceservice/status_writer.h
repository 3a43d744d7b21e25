// Writes the status of an InferenceService where it differs, and says in events what came of it.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"
#include "kube/events.h"

namespace kinglet::control {

// Thread-safe. Client and recorder must outlive it.
class StatusWriter {
 public:
  StatusWriter(kube::Client& client, kube::EventRecorder& events)
      : client_(client), events_(events) {}

  // What a write does when the object changed meanwhile.
  enum class OnConflict {
    kWriteOver,  // the status is ours alone
    kFail,       // kAborted: others write to this status too, so look again
  };

  // `before`: the object as it was read. Events: InferenceServiceReady, InferenceServiceNotReady,
  // UpdateFailed.
  Status Write(const Json& before, const Json& object,
               OnConflict on_conflict = OnConflict::kWriteOver);

 private:
  kube::Client& client_;
  kube::EventRecorder& events_;
};

}  // namespace kinglet::control
