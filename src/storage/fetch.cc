#include "storage/fetch.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "storage/path.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr size_t kErrorBody = 64 << 10;
constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr int kImpatience =
    8;  // the first wait for a silent server is this part of the stall timeout
constexpr Duration kMaxRetryAfter = std::chrono::seconds(60);

// What one request came to.
struct Outcome {
  Status status;
  bool retry = false;
  Duration retry_after = Duration::zero();
};

bool StrongEtag(std::string_view etag) { return etag.starts_with('"'); }

bool InMemory(int fd) {
  struct statfs info{};
  return fstatfs(fd, &info) == 0 && info.f_type == TMPFS_MAGIC;
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

}  // namespace

struct Fetcher::Impl {
  struct Chunk {
    size_t file, index;
    uint64_t offset, size;
    bool whole;      // the object in one request
    bool unbounded;  // size unknown: until the end
  };
  struct File {
    std::mutex mutex;
    bool created = false;
    std::atomic<size_t> left{0};  // chunks not finished
    size_t chunks = 0;
    Checksum checksum;  // found on the way; under mutex
  };

  Impl(Source& s, const std::vector<Object>& o, int f, Journal& j, const FetchOptions& op,
       const Context& c, FetchCounters& co)
      : source(s), objects(o), folder(f), journal(j), options(op), context(c), counters(co) {}

  Source& source;
  const std::vector<Object>& objects;
  int folder;
  Journal& journal;
  const FetchOptions& options;
  Context context;  // its stop token also ends when one worker failed
  FetchCounters& counters;

  std::vector<std::unique_ptr<File>> files;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Chunk> queue;  // under mutex
  int working = 0;          // under mutex: threads alive
  Status failure;           // under mutex: the first

  std::vector<Chunk> ChunksOf(size_t i) const {
    const Object& object = objects[i];
    std::vector<Chunk> result;
    if (!object.size) {
      result.push_back({i, 0, 0, 0, true, true});
    } else if (!object.ranges || *object.size <= options.chunk_bytes) {
      result.push_back({i, 0, 0, *object.size, true, false});
    } else {
      for (uint64_t at = 0; at < *object.size; at += options.chunk_bytes) {
        result.push_back(
            {i, result.size(), at, std::min(options.chunk_bytes, *object.size - at), false, false});
      }
    }
    return result;
  }

  void Plan() {
    for (size_t i = 0; i < objects.size(); ++i) {
      auto& file = files.emplace_back(std::make_unique<File>());
      auto chunks = ChunksOf(i);
      file->chunks = chunks.size();
      file->checksum = objects[i].checksum;
      for (const Chunk& chunk : chunks) {
        if (journal.Done(i, chunk.index)) {
          counters.present += chunk.size;
        } else {
          ++file->left;
          queue.push_back(chunk);
        }
      }
      if (file->left == 0) ++counters.files;
    }
  }

  Result<Fd> OpenFile(size_t i) {
    File& file = *files[i];
    std::lock_guard lock(file.mutex);
    KINGLET_TRY(Fd fd, CreateBeneath(folder, objects[i].path, O_RDWR | O_CREAT));
    if (!file.created && objects[i].size) {
      auto size = static_cast<off_t>(*objects[i].size);
      // Room is taken now: a full disk is found at the beginning, not after an hour. A tmpfs would
      // clear all of it first, and has been asked for its free space.
      if (size > 0 && !InMemory(fd.get()) && fallocate(fd.get(), 0, 0, size) != 0 &&
          errno != EOPNOTSUPP && errno != ENOSYS) {
        return Unexpected(ErrnoError(fmt::format("make room for {}", objects[i].path), errno));
      }
      if (ftruncate(fd.get(), size) != 0) {
        return Unexpected(ErrnoError(fmt::format("size {}", objects[i].path), errno));
      }
    }
    file.created = true;
    return fd;
  }

  void Work(std::stop_source& stop_all) {
    while (true) {
      Chunk chunk;
      {
        std::lock_guard lock(mutex);
        if (queue.empty() || !failure) break;
        chunk = queue.front();
        queue.pop_front();
      }
      Status status = FetchChunk(chunk);
      if (status) continue;
      std::lock_guard lock(mutex);
      if (failure) failure = std::move(status);
      stop_all.request_stop();
      break;
    }
    std::lock_guard lock(mutex);
    --working;
    changed.notify_all();
  }

  Status FetchChunk(const Chunk& chunk) {
    const Object& object = objects[chunk.file];
    KINGLET_TRY(Fd fd, OpenFile(chunk.file));
    KINGLET_RETURN_IF_ERROR(FetchBytes(chunk, fd.get()));
    // The disk begins now, so that little is left to wait for at the end.
    sync_file_range(fd.get(), static_cast<off_t>(chunk.offset), static_cast<off_t>(chunk.size),
                    SYNC_FILE_RANGE_WRITE);
    File& file = *files[chunk.file];
    if (file.left.fetch_sub(1) > 1) return journal.Add(chunk.file, chunk.index);
    // The last chunk is entered only after the whole file was found right.
    Status right = Verify(chunk.file, fd.get());
    if (!right && right.error().code() == Code::kDataLoss) {
      LogWarning("fetching a file again",
                 {{"file", object.path}, {"why", right.error().message()}});
      KINGLET_RETURN_IF_ERROR(journal.Forget(chunk.file));
      for (const Chunk& again : ChunksOf(chunk.file)) {
        counters.present -= std::min<uint64_t>(counters.present, again.size);
        KINGLET_RETURN_IF_ERROR(FetchBytes(again, fd.get()));
        if (again.index != chunk.index) {
          KINGLET_RETURN_IF_ERROR(journal.Add(chunk.file, again.index));
        }
      }
      right = Verify(chunk.file, fd.get());
    }
    KINGLET_RETURN_IF_ERROR(right);
    ++counters.files;
    return journal.Add(chunk.file, chunk.index);
  }

  Status Verify(size_t i, int fd) {
    const Object& object = objects[i];
    Checksum checksum;
    {
      std::lock_guard lock(files[i]->mutex);
      checksum = files[i]->checksum;
    }
    if (!checksum && files[i]->chunks > 1) checksum = source.WholeChecksum(object, context);
    if (!checksum || !object.size) return {};
    return VerifyFile(fd, *object.size, checksum, object.path);
  }

  // All bytes of the chunk, over as many requests as it takes.
  Status FetchBytes(const Chunk& chunk, int fd) {
    const Object& object = objects[chunk.file];
    if (!chunk.unbounded && chunk.size == 0) return {};
    uint64_t done = 0;
    Duration backoff = options.first_backoff;
    // A silent server is asked again long before it counts as stalled: bytes that came are kept,
    // and a connection that hangs alone is the common case. Each time is waited for longer.
    bool resumes = object.ranges && !chunk.unbounded;
    Duration patience = resumes ? context.stall_timeout / kImpatience : context.stall_timeout;
    for (int failures = 0;;) {
      uint64_t before = done;
      Outcome outcome = Attempt(chunk, fd, done, patience);
      if (outcome.status) return {};
      if (context.stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
      if (context.deadline.Expired()) {
        return Fail(Code::kDeadlineExceeded, "the download's deadline passed; last: {}",
                    outcome.status.error().message());
      }
      if (!outcome.retry) return outcome.status;
      if (done > before) {
        failures = 0;
        backoff = options.first_backoff;
      }
      bool silent = outcome.status.error().code() == Code::kDeadlineExceeded;
      if (silent && patience < context.stall_timeout) {
        patience = std::min(2 * patience, context.stall_timeout);
        ++counters.retries;
        LogDebug("asking again after silence", {{"file", object.path}});
        continue;
      }
      if (!resumes) {
        counters.present -= std::min<uint64_t>(counters.present, done);
        done = 0;  // such a server can only begin again
      }
      if (++failures >= options.max_failures) {
        return Unexpected(
            outcome.status.error().WithContext(fmt::format("gave up after {} attempts", failures)));
      }
      ++counters.retries;
      Duration wait = std::max(backoff, std::min(outcome.retry_after, kMaxRetryAfter));
      LogWarning("retrying", {{"file", object.path},
                              {"offset", chunk.offset + done},
                              {"why", outcome.status.error().message()},
                              {"wait_s", std::chrono::duration<double>(wait).count()}});
      Wait(wait, context);
      backoff = std::min(backoff * 2, options.max_backoff);
    }
  }

  Outcome Attempt(const Chunk& chunk, int fd, uint64_t& done, Duration patience) {
    const Object& object = objects[chunk.file];
    bool whole = chunk.whole && done == 0;
    uint64_t want = chunk.size - done;
    auto request = source.Read(object, chunk.offset + done, want, whole);
    if (!request) return {Unexpected(request.error())};
    request->stop = context.stop;
    request->deadline = context.deadline;
    request->stall_timeout = patience;

    http::ClientResponse
        bad;  // a response that is not the bytes: its head and the body's beginning
    bool failed = false;
    uint64_t start = done;
    auto response = source.client().Stream(
        *request,
        [&](const http::ClientResponse& head) -> Status {
          int expected = whole || source.range_by_query() ? 200 : 206;
          if (head.status != 200 && head.status != 206) {
            bad = head;
            failed = true;
            return {};
          }
          return CheckHead(object, head, expected, chunk.offset + start, want, chunk.unbounded,
                           whole, chunk.file);
        },
        [&](std::string_view bytes) -> Status {
          if (failed) {
            bad.body.append(bytes.substr(0, kErrorBody - std::min(kErrorBody, bad.body.size())));
            return {};
          }
          if (!chunk.unbounded && done + bytes.size() > chunk.size) {
            return Fail(Code::kDataLoss, "{}: the server sent more bytes than the object has",
                        object.path);
          }
          KINGLET_RETURN_IF_ERROR(Put(fd, bytes, chunk.offset + done, object.path));
          done += bytes.size();
          counters.present += bytes.size();
          counters.received += bytes.size();
          return {};
        });
    if (failed) {
      Duration after = Duration::zero();
      if (auto seconds = Number(bad.headers.Get("retry-after"))) {
        after = std::chrono::seconds(std::min<uint64_t>(*seconds, 3600));
      }
      return {Unexpected(source.StatusError(object, bad)),
              RetryableStatus(bad.status) || source.Renew(bad), after};
    }
    if (!response) {
      Code code = response.error().code();
      return {Unexpected(response.error()),
              code == Code::kUnavailable || code == Code::kDeadlineExceeded};
    }
    if (!chunk.unbounded && done < chunk.size) {
      return {Fail(Code::kUnavailable, "{}: the server sent {} bytes instead of {}", object.path,
                   done - start, want),
              true};
    }
    return {};
  }

  Status CheckHead(const Object& object, const http::ClientResponse& head, int expected,
                   uint64_t first, uint64_t want, bool unbounded, bool whole, size_t file) {
    std::string_view encoding = head.headers.Get("content-encoding");
    bool expected_gzip = object.gzip && (encoding == "gzip" || encoding == "x-gzip");
    if (!encoding.empty() && !expected_gzip && !http::EqualsIgnoreCase(encoding, "identity")) {
      return Fail(Code::kFailedPrecondition,
                  "{}: the server encodes the content ({}) although identity was asked for",
                  object.locator, encoding);
    }
    std::string_view etag = head.headers.Get("etag");
    if (StrongEtag(etag) && StrongEtag(object.etag) && etag != object.etag) {
      return Fail(Code::kAborted, "{}: the object changed while it was downloaded", object.locator);
    }
    if (head.status != expected) {
      // With If-Range, 200 says "changed"; the same validator or none says that ranges are not
      // known.
      counters.ranges_ignored = head.status == 200;
      return Fail(Code::kAborted, "{}: the server answered {} to a request for a range",
                  object.locator, head.status);
    }
    if (head.status == 206) {
      std::string range(head.headers.Get("content-range"));
      std::string wanted = fmt::format("bytes {}-{}/", first, first + want - 1);
      if (!range.starts_with(wanted)) {
        return Fail(Code::kFailedPrecondition, "{}: asked for {} and got {}", object.locator,
                    wanted, range);
      }
      auto total = Number(std::string_view(range).substr(wanted.size()));
      if (total && object.size && *total != *object.size) {
        return Fail(Code::kAborted, "{}: the object's size changed from {} to {}", object.locator,
                    *object.size, *total);
      }
    }
    auto length = Number(head.headers.Get("content-length"));
    if (length && !unbounded && *length != want) {
      return Fail(Code::kAborted, "{}: the server offers {} bytes instead of {}", object.locator,
                  *length, want);
    }
    if (whole) {
      std::lock_guard lock(files[file]->mutex);
      if (!files[file]->checksum) files[file]->checksum = source.HeadChecksum(object, head);
    }
    return {};
  }

  static Status Put(int fd, std::string_view bytes, uint64_t offset, const std::string& name) {
    while (!bytes.empty()) {
      ssize_t put = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Unexpected(ErrnoError(fmt::format("write {}", name), errno));
      bytes.remove_prefix(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return {};
  }
};

Fetcher::Fetcher(Source& source, const std::vector<Object>& objects, int folder, Journal& journal,
                 const FetchOptions& options, const Context& context, FetchCounters& counters)
    : impl_(std::make_unique<Impl>(source, objects, folder, journal, options, context, counters)) {}

Fetcher::~Fetcher() = default;

Status Fetcher::Run(const std::function<void()>& tick) {
  Impl& impl = *impl_;
  impl.Plan();
  // Empty files need no request, but must be there.
  for (size_t i = 0; i < impl.objects.size(); ++i) {
    if (impl.objects[i].size == 0) KINGLET_RETURN_IF_ERROR(impl.OpenFile(i));
  }
  std::stop_source stop_all;
  std::stop_callback from_outside(impl.context.stop, [&] { stop_all.request_stop(); });
  impl.context.stop = stop_all.get_token();
  size_t threads = std::min<size_t>(static_cast<size_t>(std::max(impl.options.connections, 1)),
                                    std::max<size_t>(impl.queue.size(), 1));
  std::vector<std::jthread> workers;
  impl.working = static_cast<int>(threads);
  for (size_t i = 0; i < threads; ++i) {
    workers.emplace_back([&] { impl.Work(stop_all); });
  }
  {
    std::unique_lock lock(impl.mutex);
    while (impl.working > 0) {
      impl.changed.wait_for(lock, kTick, [&] { return impl.working == 0; });
      lock.unlock();
      tick();
      lock.lock();
    }
  }
  workers.clear();
  if (!impl.failure) return impl.failure;
  if (!impl.queue.empty()) return Fail(Code::kCancelled, "stopped");
  return {};
}

}  // namespace kinglet::storage
