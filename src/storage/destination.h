// Where a model goes. A reader never takes a part of it for the whole:
//  * a destination that does not exist (or is an empty folder) is staged beside and renamed;
//  * a mount point or a folder with content is filled through `.kinglet-staging` inside it: entries
//    are renamed at the end and the completion marker is written last.
// The marker `.kinglet-complete` says which URIs lie there whole. A lock keeps a second
// initializer on the same volume waiting. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"
#include "storage/path.h"
#include "storage/scheme.h"

namespace kinglet::storage {

inline constexpr std::string_view kCompleteMarker = ".kinglet-complete";

class Destination {
 public:
  // Takes the lock (waits for it until stop or deadline) and finishes a commit that was cut.
  static Result<std::unique_ptr<Destination>> Open(const std::string& path, const Context& context);
  // Whether a destination (an absolute path) is filled inside, not staged beside.
  static bool IsFilledInside(const std::string& path);
  // kPermissionDenied where a folder that every user may write to, such as /tmp, holds something of
  // another user at the destination, or at the staging folder or lock beside it.
  static Status RefuseStrangers(const std::string& path);
  ~Destination();
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

  // Whether the marker says that `uri` lies here whole, and its files are there with their sizes.
  bool Complete(std::string_view uri) const;
  const std::string& path() const { return path_; }
  // `staging()` holds the journal, `data()` what will be published and `raw()` what the files of
  // data() are made from, where they are not what was downloaded (archives).
  const std::string& staging() const { return staging_; }
  std::string data() const { return staging_ + "/data"; }
  std::string raw() const { return staging_ + "/raw"; }
  Status Prepare(const std::string& folder);  // makes data() or raw()
  Status Empty(const std::string& folder);    // the same, without anything in it
  // Syncs, publishes what lies in data() and writes the marker.
  Status Commit(std::string_view uri, std::string_view digest,
                const std::vector<StagedFile>& files);

 private:
  Destination() = default;
  Status Lock(const Context& context);
  Status RefuseLinks() const;
  Status RemoveForeignStaging() const;
  Status FinishCut();
  Status Publish(const Json& source);
  Status PlaceMarker(const std::string& folder, const Json& marker);
  void RemoveLeftLock() const;
  Json Marker() const;

  std::string path_, parent_, name_, staging_, lock_path_;
  bool inside_ = false;
  Fd lock_;
};

}  // namespace kinglet::storage
