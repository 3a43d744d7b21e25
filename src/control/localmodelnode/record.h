// What the agent remembers of a model on its node, beside the models so that it survives restarts
// of the agent and of the node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace kinglet::control {

struct FileFacts {
  std::string path;  // relative to the model's folder
  int64_t size = 0;
  int64_t modified = 0, changed = 0;  // nanoseconds since 1970: of the bytes; also of the inode
  int64_t inode = 0;
  bool link = false;  // symbolic
  // "sha256:<hex>" and so on; "" if the download has none. Of a symbolic link "link:<its target>".
  std::string digest;

  bool operator==(const FileFacts&) const = default;
};

// Times are seconds since 1970.
struct ModelRecord {
  std::string uri;
  bool whole = false;  // `files` is what it consisted of
  std::vector<FileFacts> files;
  std::string damage;     // why it must be brought again; "" where it need not
  std::string spent_job;  // uid of the job whose copy is gone or damaged
  int attempts = 0;       // how often it was brought again since it last lasted
  int64_t last_attempt = 0;
  int64_t whole_since = 0;
  int64_t bytes = 0;      // when it was last whole: sizes that people promise may be wrong
  int64_t last_used = 0;  // by an InferenceService, or when it came
  std::string retry;      // value of annotation serving.kserve.io/retry that was heeded

  bool operator==(const ModelRecord&) const = default;
};

Json ToJson(const ModelRecord& record);
// What cannot be read is left as it is by default: a lost record costs a check, not a model.
ModelRecord RecordFromJson(const Json& value);

}  // namespace kinglet::control
