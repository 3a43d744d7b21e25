// One request for bytes of an object, written to their place in a file as they come, in pieces of
// 256 KiB: a file system takes few large writes several times faster than many small ones.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "storage/scheme.h"

namespace kinglet::storage {

struct ByteRange {
  uint64_t first = 0, count = 0;
  bool whole = false;      // all of the object: no range is asked for
  bool unbounded = false;  // of unknown size: until the answer ends
};

// A file that several requests write. File systems take one write to a file at a time and have the
// others spin; here they wait.
struct SharedFile {
  int fd;
  std::mutex& writing;
};

// Told on the calling thread what arrives.
struct RangeObserver {
  std::function<Status(uint64_t)>
      on_written;                       // so many more are in the file; an error ends the request
  std::function<void()> on_heard = {};  // something came
  // Of an answer that will do; an error ends the request.
  std::function<Status(const http::ClientResponse&)> on_head = {};
};

// What a request came to.
struct Outcome {
  Status status;
  bool retry = false;           // the same request may succeed later
  bool busy = false;            // the server asks for fewer requests
  bool ranges_ignored = false;  // it sent, or would have sent, the whole object instead
  Duration retry_after = Duration::zero();
};

// Sends the request under the context's stop, deadline and stall timeout and writes what comes into
// `file` at the object's offset, also when the request fails midway. kAborted: the object is no
// longer the one that was listed.
Outcome FetchRange(Source& source, const Object& object, const ByteRange& range, SharedFile file,
                   const Context& context, const RangeObserver& observer);

}  // namespace kinglet::storage
