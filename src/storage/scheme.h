// A storage scheme: how a URI becomes objects, and an object's bytes a request. Everything else
// (parallel ranges, resume, retries, checksums, archives, destinations) is the downloader's.
//
// One scheme is one file src/storage/schemes/<name>.cc that defines `Plugin Plugin_<name>()`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/http/client.h"
#include "storage/checksum.h"
#include "storage/environment.h"
#include "storage/path.h"

namespace kinglet::storage {

struct ArchiveLimits;

struct Object {
  std::string path;     // relative, where it goes beneath the destination
  std::string locator;  // the scheme's own: a key, a URL
  std::optional<uint64_t> size;
  std::string etag;    // as in an HTTP field, quotes included; "" when there is none
  Checksum checksum;   // of the whole object, when the listing knows it
  bool ranges = true;  // false: read from the beginning to the end in one request
  // The bytes arrive gzip-encoded (size, etag and checksum are theirs) and are stored decoded, or
  // unpacked where they are an archive.
  bool gzip = false;
};

// Entries that are linked instead of downloaded: local paths.
struct Link {
  std::string path;    // relative, beneath the destination
  std::string target;  // absolute
};

struct Listing {
  std::vector<Object> objects;
  std::vector<Link> links;
  // Nothing to do: the model is there already (a URI beneath the destination of another mount).
  bool in_place = false;
  // One object more. kFailedPrecondition when they are more than limits.h allows: another attempt
  // would find the same.
  Status Add(Object object);
  size_t name_bytes = 0;  // counted by Add
  // Whether the only object is an archive to unpack; by its name when the scheme does not say.
  std::optional<bool> archive;
};

struct Context {
  std::stop_token stop;
  Deadline deadline = Deadline::Never();
  Duration stall_timeout = std::chrono::seconds(30);
};

// One opened URI. Thread-safe after List.
class Source {
 public:
  virtual ~Source() = default;
  virtual Result<Listing> List(const Context& context) = 0;

  // The request for bytes [first, first + count), or for all when `whole`; made anew for each
  // attempt, so that signatures and tokens are fresh. Its answer must be 206 with the range, or 200
  // when `whole` or when range_by_query().
  virtual Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                           bool whole) = 0;
  virtual http::Client& client() = 0;
  // True where ranges are query parameters answered with 200 (WebHDFS).
  virtual bool range_by_query() const { return false; }
  // The checksum of an object fetched in several ranges, when asking for it takes a request of its
  // own; none by default.
  virtual Checksum WholeChecksum(const Object&, const Context&) { return {}; }
  // True where that is the only way to a checksum, for an object fetched in one request too.
  virtual bool checksums_by_request() const { return false; }
  // The error for a status that is not success; the text is KServe's where clients see it.
  virtual Error StatusError(const Object& object, const http::ClientResponse& head) const;
  // Told of a status that is not success; true when credentials were renewed because of it and the
  // same request is worth another attempt.
  virtual bool Renew(const http::ClientResponse&) { return false; }
  // True where the objects are not the model's files themselves but what Assemble makes them from:
  // an image's layers, a repository's pack.
  virtual bool assembles() const { return false; }
  // Makes the files in `folder` from the objects in `raw` (both descriptors) and names them.
  virtual Result<std::vector<StagedFile>> Assemble(int raw, int folder, const ArchiveLimits& limits,
                                                   std::stop_token stop);
  // A checksum that this scheme finds in the head of a response for the whole object.
  virtual Checksum HeadChecksum(const Object&, const http::ClientResponse& head) const {
    return ChecksumFromHeaders(head.headers);
  }
};

// "HTTP 404 Not Found" and the beginning of the body as one line.
std::string DescribeStatus(const http::ClientResponse& response);
// True for statuses that a later attempt may change: 408, 425, 429, 5xx.
bool RetryableStatus(int status);

}  // namespace kinglet::storage
