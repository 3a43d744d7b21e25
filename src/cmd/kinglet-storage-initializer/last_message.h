// The last thing the container says: on standard error, where FallbackToLogsOnError finds it, and
// in the pod's termination message, so that "why" and "how far" outlive the container.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/text.h"

namespace kinglet {

class LastMessage {
 public:
  // `path`: the file; "" for the pod's own (KINGLET_TERMINATION_LOG, else /dev/termination-log),
  // which is written only where it is there already: a container's runtime mounts it.
  explicit LastMessage(const std::string& path);

  // What the message is if the process is killed now.
  void Interim(std::string_view text) { Put(text); }
  // Prints the message and keeps it. Control characters are escaped, and line feeds unless `lines`
  // is kMany: a store supplies much of the text, and must neither steer a terminal nor begin a line
  // of the log. kMany is for texts to which no store has contributed.
  void Final(std::string_view text, Lines lines = Lines::kOne);

 private:
  void Put(std::string_view text);
  Fd file_;
};

}  // namespace kinglet
