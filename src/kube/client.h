// The API of a Kubernetes API server, blocking and thread-safe. Implementations: MakeClient (HTTP)
// and FakeClient (in memory).
//
// Errors carry the server's message. Codes: kNotFound (404), kAlreadyExists and kAborted (409 by
// reason: a create that lost, an update with an old resourceVersion), kOutOfRange (410: the
// resourceVersion or continue token expired), kFailedPrecondition (422 invalid), kInvalidArgument
// (400), kPermissionDenied (403), kUnauthenticated (401), kResourceExhausted (429, after retries),
// kUnavailable (connection, 503), kDeadlineExceeded, kCancelled.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/config.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::kube {

struct GetOptions {
  std::string resource_version;  // "" most recent, "0" any
  std::string subresource;       // "scale", ...
};

struct ListOptions {
  std::string label_selector, field_selector;
  int64_t limit = 0;  // 0: all
  std::string continue_token;
  std::string resource_version;
  std::string resource_version_match;
  bool metadata_only = false;  // PartialObjectMetadataList
};

struct WatchOptions {
  std::string label_selector, field_selector;
  std::string resource_version;
  Duration timeout = Duration::zero();  // asked of the server; zero: its choice
  bool bookmarks = true;
  bool metadata_only = false;
};

struct WriteOptions {
  bool dry_run = false;  // dryRun=All
  std::string field_manager;
  std::string field_validation;  // "Strict", "Warn", "Ignore", "" the server's default
  bool force = false;            // server-side apply only
  std::string subresource;       // "status", "scale", "eviction", ...
};

enum class PatchType { kJson, kMerge, kStrategic, kApply };
std::string_view PatchContentType(PatchType type);

struct DeleteOptions {
  enum class Propagation { kDefault, kBackground, kForeground, kOrphan };
  Propagation propagation = Propagation::kDefault;
  std::optional<int64_t> grace_period_seconds;
  std::string uid, resource_version;  // preconditions
  bool dry_run = false;
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark };
  Type type = Type::kAdded;
  Json object;
};

struct LogOptions {
  std::string container;
  bool follow = false, previous = false, timestamps = false;
  std::optional<int64_t> tail_lines, since_seconds, limit_bytes;
};

struct RawRequest {
  std::string method = "GET";
  std::string path;  // with query
  std::string content_type, accept = "application/json";
  std::string body;
};

class Client {
 public:
  virtual ~Client() = default;

  virtual Result<Json> Get(const ResourceType& type, const ObjectKey& key,
                           const GetOptions& options = {}) = 0;
  // The list object: {metadata: {resourceVersion, continue}, items}. Items carry apiVersion and
  // kind.
  virtual Result<Json> List(const ResourceType& type, std::string_view ns,
                            const ListOptions& options = {}) = 0;
  // Into metadata.namespace (kInvalidArgument where a namespaced kind has none). Returns what is
  // stored.
  virtual Result<Json> Create(const ResourceType& type, const Json& object,
                              const WriteOptions& options = {}) = 0;
  virtual Result<Json> Update(const ResourceType& type, const Json& object,
                              const WriteOptions& options = {}) = 0;
  virtual Result<Json> Patch(const ResourceType& type, const ObjectKey& key, PatchType patch_type,
                             const Json& patch, const WriteOptions& options = {}) = 0;
  // Deleting what is not there is kNotFound.
  virtual Status Delete(const ResourceType& type, const ObjectKey& key,
                        const DeleteOptions& options = {}) = 0;
  virtual Status DeleteCollection(const ResourceType& type, std::string_view ns,
                                  const ListOptions& which, const DeleteOptions& options = {}) = 0;
  // Calls on_event on this thread until the server ends the stream (ok), on_event fails (its
  // error), `stop` is requested (kCancelled) or the stream breaks. ERROR events are errors:
  // kOutOfRange means: list again. Bookmarks are passed on.
  virtual Status Watch(const ResourceType& type, std::string_view ns, const WatchOptions& options,
                       const std::function<Status(WatchEvent)>& on_event, std::stop_token stop) = 0;
  // Pieces of the log as they arrive.
  virtual Status Logs(const ObjectKey& pod, const LogOptions& options,
                      const std::function<Status(std::string_view)>& on_bytes,
                      std::stop_token stop) = 0;
  // Any path; statuses of 400 and more are errors.
  virtual Result<std::string> Raw(const RawRequest& request) = 0;

  // Conveniences over the above.
  Result<Json> UpdateStatus(const ResourceType& type, const Json& object);
  // Lists page by page (500 each) and returns all items.
  Result<std::vector<Json>> ListAll(const ResourceType& type, std::string_view ns,
                                    ListOptions options = {});
  // Server-side apply; the object's own apiVersion, kind and name.
  Result<Json> Apply(const ResourceType& type, const Json& object, std::string_view field_manager,
                     bool force = true, bool dry_run = false);
  // Delete where kNotFound is fine.
  Status DeleteIfExists(const ResourceType& type, const ObjectKey& key,
                        const DeleteOptions& options = {});
};

// `stop` cancels every call, for shutting down.
Result<std::unique_ptr<Client>> MakeClient(ClientConfig config, std::stop_token stop = {});

// The error of a metav1.Status body (or of an HTTP status with any other body).
Error ErrorFromStatus(int http_status, std::string_view body);
// The metav1.Status of an error; details where given.
Json StatusFromError(const Error& error, const Json& details = {});

}  // namespace kinglet::kube
