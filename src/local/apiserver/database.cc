#include "local/apiserver/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <charconv>

namespace kinglet::local {
namespace {

// One step a version; a file of version n gets the steps from n on.
constexpr const char* kMigrations[] = {
    R"(CREATE TABLE objects(
         resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
         uid TEXT NOT NULL, resource_version INTEGER NOT NULL, json TEXT NOT NULL,
         PRIMARY KEY(resource, namespace, name)) WITHOUT ROWID;
       CREATE TABLE events(
         resource_version INTEGER PRIMARY KEY, type INTEGER NOT NULL, resource TEXT NOT NULL,
         namespace TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL);)",
};
constexpr int kVersion = static_cast<int>(std::size(kMigrations));

}  // namespace

// A prepared statement. Bind, Step, and it is reset.
class Database::Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  bool ok() const { return statement_ != nullptr; }
  Statement& Bind(int index, std::string_view text) {
    sqlite3_bind_text(statement_, index, text.data() ? text.data() : "",
                      static_cast<int>(text.size()), SQLITE_STATIC);
    return *this;
  }
  Statement& Bind(int index, int64_t value) {
    sqlite3_bind_int64(statement_, index, value);
    return *this;
  }
  // The step's code; rows are read by the caller before Reset.
  int Step() { return sqlite3_step(statement_); }
  void Reset() { sqlite3_reset(statement_); }
  bool Done() {
    int code = Step();
    Reset();
    return code == SQLITE_DONE;
  }
  std::string Text(int column) {
    auto text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    int size = sqlite3_column_bytes(statement_, column);
    return text ? std::string(text, static_cast<size_t>(size)) : std::string();
  }
  int64_t Int(int column) { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

Database::Database(sqlite3* db) : db_(db) {}

Database::~Database() {
  put_.reset();
  remove_.reset();
  event_.reset();
  forget_.reset();
  begin_.reset();
  commit_.reset();
  rollback_.reset();
  sqlite3_close(db_);
}

Error Database::LastError(std::string_view what) const {
  int code = sqlite3_errcode(db_);
  Code canonical = Code::kInternal;
  if (code == SQLITE_FULL) canonical = Code::kResourceExhausted;
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) canonical = Code::kUnavailable;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) canonical = Code::kDataLoss;
  if (code == SQLITE_READONLY || code == SQLITE_PERM) canonical = Code::kPermissionDenied;
  return Error(canonical, fmt::format("database: {}: {}", what, sqlite3_errmsg(db_)));
}

Status Database::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Unexpected(LastError("cannot execute a statement"));
  }
  return {};
}

Status Database::Migrate() {
  KINGLET_RETURN_IF_ERROR(
      Execute("CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL)"));
  KINGLET_TRY(std::string text, GetMeta("storage_version"));
  int version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  if (version > kVersion) {
    return Fail(Code::kFailedPrecondition,
                "the database has storage version {}, this program knows up to {}: use a newer "
                "Kinglet or another data folder",
                version, kVersion);
  }
  for (; version < kVersion; ++version) {
    KINGLET_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
    KINGLET_RETURN_IF_ERROR(Execute(kMigrations[version]));
    KINGLET_RETURN_IF_ERROR(SetMeta("storage_version", std::to_string(version + 1)));
    KINGLET_RETURN_IF_ERROR(Execute("COMMIT"));
  }
  return {};
}

Result<std::unique_ptr<Database>> Database::Open(const std::filesystem::path& path,
                                                 bool sync_every_commit) {
  if (!path.empty() && path.has_parent_path()) {
    std::error_code ignored;  // opening tells what is wrong
    std::filesystem::create_directories(path.parent_path(), ignored);
  }
  sqlite3* db = nullptr;
  int code =
      sqlite3_open_v2(path.empty() ? ":memory:" : path.c_str(), &db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> database(new Database(db));
  if (code != SQLITE_OK) {
    return Fail(Code::kUnavailable, "cannot open the database {}: {}", path.string(),
                db ? sqlite3_errmsg(db) : "out of memory");
  }
  // The objects hold secrets.
  if (!path.empty()) ::chmod(path.c_str(), 0600);
  // A lock that is just being released (a restart) deserves a moment.
  sqlite3_busy_timeout(db, 3000);
  // With the exclusive lock WAL needs no shared memory file, and a second process fails at once
  // instead of serving the same state.
  Status status = database->Execute("PRAGMA locking_mode=EXCLUSIVE");
  if (status) status = database->Execute("PRAGMA journal_mode=WAL");
  // WAL with NORMAL: a commit is a write(2), safe against any end of the process; the disk is
  // waited for at checkpoints only. FULL waits at each commit.
  if (status) {
    status = database->Execute(sync_every_commit ? "PRAGMA synchronous=FULL"
                                                 : "PRAGMA synchronous=NORMAL");
  }
  if (status) status = database->Execute("PRAGMA wal_autocheckpoint=2000");
  if (status) status = database->Execute("BEGIN IMMEDIATE; COMMIT");
  if (status) status = database->Migrate();
  if (!status) {
    if (status.error().code() == Code::kUnavailable) {
      return Fail(Code::kUnavailable,
                  "the database {} is in use by another process: is Kinglet running already?",
                  path.string());
    }
    return Unexpected(status.error().WithContext(path.string()));
  }
  auto prepare = [&](std::unique_ptr<Statement>& statement, const char* sql) {
    statement = std::make_unique<Statement>(db, sql);
    return statement->ok();
  };
  bool ok =
      prepare(database->put_,
              "INSERT INTO objects(resource, namespace, name, uid, resource_version, json) "
              "VALUES(?,?,?,?,?,?) ON CONFLICT(resource, namespace, name) DO UPDATE SET "
              "uid=excluded.uid, resource_version=excluded.resource_version, json=excluded.json") &&
      prepare(database->remove_,
              "DELETE FROM objects WHERE resource=? AND namespace=? AND name=?") &&
      prepare(database->event_,
              "INSERT INTO events(resource_version, type, resource, namespace, name, json) "
              "VALUES(?,?,?,?,?,?)") &&
      prepare(database->forget_, "DELETE FROM events WHERE resource_version<=?") &&
      prepare(database->begin_, "BEGIN IMMEDIATE") && prepare(database->commit_, "COMMIT") &&
      prepare(database->rollback_, "ROLLBACK");
  if (!ok) return Unexpected(database->LastError("cannot prepare a statement"));
  return database;
}

Status Database::LoadObjects(const std::function<Status(DatabaseRow)>& each) {
  Statement select(db_, "SELECT resource, namespace, name, resource_version, json FROM objects");
  if (!select.ok()) return Unexpected(LastError("cannot read objects"));
  int code;
  while ((code = select.Step()) == SQLITE_ROW) {
    KINGLET_RETURN_IF_ERROR(each({.resource_version = select.Int(3),
                                  .resource = select.Text(0),
                                  .name_space = select.Text(1),
                                  .name = select.Text(2),
                                  .json = select.Text(4)}));
  }
  if (code != SQLITE_DONE) return Unexpected(LastError("cannot read objects"));
  return {};
}

Status Database::LoadEvents(const std::function<Status(DatabaseRow)>& each) {
  Statement select(db_,
                   "SELECT type, resource, namespace, name, resource_version, json FROM events "
                   "ORDER BY resource_version");
  if (!select.ok()) return Unexpected(LastError("cannot read events"));
  int code;
  while ((code = select.Step()) == SQLITE_ROW) {
    KINGLET_RETURN_IF_ERROR(each({.type = static_cast<EventType>(select.Int(0)),
                                  .resource_version = select.Int(4),
                                  .resource = select.Text(1),
                                  .name_space = select.Text(2),
                                  .name = select.Text(3),
                                  .json = select.Text(5)}));
  }
  if (code != SQLITE_DONE) return Unexpected(LastError("cannot read events"));
  return {};
}

Status Database::Commit(const DatabaseRow& row, std::string_view uid, int64_t forget_up_to) {
  if (!begin_->Done()) return Unexpected(LastError("cannot begin a transaction"));
  bool ok;
  if (row.type == EventType::kDeleted) {
    ok = remove_->Bind(1, row.resource).Bind(2, row.name_space).Bind(3, row.name).Done();
  } else {
    ok = put_->Bind(1, row.resource)
             .Bind(2, row.name_space)
             .Bind(3, row.name)
             .Bind(4, uid)
             .Bind(5, row.resource_version)
             .Bind(6, row.json)
             .Done();
  }
  ok = ok && event_->Bind(1, row.resource_version)
                 .Bind(2, static_cast<int64_t>(row.type))
                 .Bind(3, row.resource)
                 .Bind(4, row.name_space)
                 .Bind(5, row.name)
                 .Bind(6, row.json)
                 .Done();
  if (ok && forget_up_to > 0) ok = forget_->Bind(1, forget_up_to).Done();
  if (ok && commit_->Done()) return {};
  Error error = LastError("cannot write");
  rollback_->Done();
  return Unexpected(std::move(error));
}

Result<std::string> Database::GetMeta(std::string_view key) {
  Statement select(db_, "SELECT value FROM meta WHERE key=?");
  if (!select.ok()) return Unexpected(LastError("cannot read meta"));
  int code = select.Bind(1, key).Step();
  if (code == SQLITE_ROW) return select.Text(0);
  if (code == SQLITE_DONE) return std::string();
  return Unexpected(LastError("cannot read meta"));
}

Status Database::SetMeta(std::string_view key, std::string_view value) {
  Statement insert(db_, "INSERT OR REPLACE INTO meta(key, value) VALUES(?,?)");
  if (!insert.ok() || !insert.Bind(1, key).Bind(2, value).Done()) {
    return Unexpected(LastError("cannot write meta"));
  }
  return {};
}

}  // namespace kinglet::local
