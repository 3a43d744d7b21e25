#include "cmd/kinglet-storage-initializer/last_message.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>

#include "base/log.h"

namespace kinglet {

namespace {

constexpr size_t kMaxBytes = 4096;  // what a kubelet keeps of it
constexpr const char* kPodsFile = "/dev/termination-log";

}  // namespace

LastMessage::LastMessage(const std::string& path) {
  int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
  if (!path.empty()) {
    file_.Reset(open(path.c_str(), flags | O_CREAT, 0644));
    if (!file_) LogWarning("cannot write the termination message", {{"file", path}});
    return;
  }
  const char* named = getenv("KINGLET_TERMINATION_LOG");
  file_.Reset(open(named && *named ? named : kPodsFile, flags));
}

void LastMessage::Final(std::string_view text, Lines lines) {
  const std::string shown = EscapeControls(text, lines);
  std::fprintf(stderr, "%s\n", shown.c_str());
  Put(shown);
}

void LastMessage::Put(std::string_view text) {
  if (!file_) return;
  text = text.substr(0, kMaxBytes);
  // The longer of two messages may remain for a moment: never an empty file.
  if (pwrite(file_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
    (void)!ftruncate(file_.get(), static_cast<off_t>(text.size()));
  }
}

}  // namespace kinglet
