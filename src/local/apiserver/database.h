// The SQLite file behind the store: all objects, and the newest events for watches that resume.
// Knows nothing about Kubernetes but keys and versions. One user at a time (the store locks).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kinglet::local {

enum class EventType { kAdded = 0, kModified = 1, kDeleted = 2 };

struct DatabaseRow {
  EventType type = EventType::kAdded;  // of events
  int64_t resource_version = 0;
  std::string resource, name_space, name;
  std::string json;
};

class Database {
 public:
  // Takes the file for this process alone; kUnavailable when another process has it,
  // kFailedPrecondition when a newer Kinglet wrote it, kDataLoss when it is damaged. An empty path
  // is a database in memory.
  static Result<std::unique_ptr<Database>> Open(const std::filesystem::path& path,
                                                bool sync_every_commit);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Status LoadObjects(const std::function<Status(DatabaseRow)>& each);
  Status LoadEvents(const std::function<Status(DatabaseRow)>& each);  // oldest first

  // One write in one transaction: the object's row (removed for kDeleted), its event, and, when
  // `forget_up_to` is positive, the removal of events up to that version.
  Status Commit(const DatabaseRow& row, std::string_view uid, int64_t forget_up_to);

  // Small facts: "resource_version", "boot_id", "clean".
  Result<std::string> GetMeta(std::string_view key);  // "" when absent
  Status SetMeta(std::string_view key, std::string_view value);

 private:
  class Statement;
  explicit Database(sqlite3* db);
  Status Execute(const char* sql);
  Status Migrate();
  Error LastError(std::string_view what) const;

  sqlite3* db_;
  std::unique_ptr<Statement> put_, remove_, event_, forget_, begin_, commit_, rollback_;
};

}  // namespace kinglet::local
