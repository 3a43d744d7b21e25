#include "storage/fetch.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "storage/file_check.h"
#include "storage/pace.h"
#include "storage/path.h"
#include "storage/progress.h"
#include "storage/range_request.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
// The first wait for a silent server is this part of the stall timeout.
constexpr int kImpatience = 8;
// A second request is made after this part of it, but not for every hiccup ...
constexpr int kHedgeAfter = 16;
constexpr Duration kShortestSilence = std::chrono::milliseconds(250);
// ... and for one chunk in so many, so that a slow store is not asked for twice as much.
constexpr size_t kHedgeShare = 20;
constexpr Duration kMaxRetryAfter = std::chrono::seconds(60);

constexpr SteadyTime kNoRequest = SteadyTime::max();

bool InMemory(int fd) {
  struct statfs info{};
  return fstatfs(fd, &info) == 0 && info.f_type == TMPFS_MAGIC;
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
    File(const Object& object, uint64_t chunk_bytes, std::function<Checksum()> find)
        : checksum(object.checksum),
          check(object.size.value_or(0), chunk_bytes, object.path, std::move(find)) {}

    std::mutex mutex;
    bool created = false;
    std::atomic<size_t> left{0};  // chunks not finished
    size_t chunks = 0;
    Checksum checksum;      // of the listing, or found on the way; under mutex
    std::string validator;  // of the first answer; under mutex
    FileCheck check;
    std::mutex writing;
  };
  // A chunk under way. When its request goes silent a second one races it; who has all bytes first
  // ends the other. Both write the same bytes to the same place.
  struct Flight {
    Flight(const Chunk& c, int f, bool r) : chunk(c), fd(f), resumes(r) {}
    const Chunk& chunk;
    int fd;
    bool resumes;  // what came is kept
    std::atomic<uint64_t> done{0};
    std::atomic<SteadyTime> heard{kNoRequest};  // when the first request last brought something
    std::stop_source first, second;
    // Under Impl::mutex.
    bool hedged = false, hedging = false, hedge_won = false;
  };

  Impl(Source& s, const std::vector<Object>& o, int f, Journal& j, const FetchOptions& op,
       const Context& c, FetchCounters& co)
      : source(s),
        objects(o),
        folder(f),
        journal(j),
        options(op),
        context(c),
        counters(co),
        free_space(f),
        pace(op.connections) {}

  Source& source;
  const std::vector<Object>& objects;
  int folder;
  Journal& journal;
  const FetchOptions& options;
  Context context;  // its stop token also ends when one worker failed
  FetchCounters& counters;

  FreeSpace free_space;
  Pace pace;
  std::vector<std::unique_ptr<File>> files;
  std::mutex mutex;
  std::condition_variable changed;
  // Under mutex.
  std::deque<Chunk> queue;
  std::set<Flight*> flights;
  std::deque<Flight*> hedges;  // wanted, not begun
  size_t hedges_left = 0;
  int working = 0;   // threads alive
  int fetching = 0;  // of them with a chunk
  int hedging = 0;   // of them with a second request
  Status failure;    // the first

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
      auto& file = files.emplace_back(std::make_unique<File>(
          objects[i], options.chunk_bytes, [this, i] { return FindChecksum(i); }));
      auto chunks = ChunksOf(i);
      file->chunks = chunks.size();
      for (const Chunk& chunk : chunks) {
        if (journal.Done(i, chunk.index)) {
          counters.present += chunk.size;
          file->check.Add(chunk.index);
        } else {
          ++file->left;
          queue.push_back(chunk);
        }
      }
      if (file->left == 0) ++counters.files;
    }
    hedges_left = std::max<size_t>(1, queue.size() / kHedgeShare);
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

  // Under mutex: nothing is left to do for a thread that has nothing to do.
  bool Over() const { return !failure || (queue.empty() && fetching == 0); }

  void Work(std::stop_source& stop_all) {
    std::unique_lock lock(mutex);
    while (true) {
      auto may_fetch = [&] { return !queue.empty() && fetching < pace.allowed(); };
      changed.wait(lock, [&] { return Over() || !hedges.empty() || may_fetch(); });
      if (Over()) break;
      if (!hedges.empty()) {
        Flight& flight = *hedges.front();
        hedges.pop_front();
        ++hedging;
        lock.unlock();
        bool won = Hedge(flight);
        lock.lock();
        --hedging;
        flight.hedging = false;
        flight.hedge_won = won;
        if (won) flight.first.request_stop();
        changed.notify_all();
        continue;
      }
      Chunk chunk = queue.front();
      queue.pop_front();
      ++fetching;
      lock.unlock();
      Status status = FetchChunk(chunk);
      lock.lock();
      --fetching;
      if (queue.empty()) changed.notify_all();  // others wait for the end
      if (status) continue;
      if (failure) failure = std::move(status);
      stop_all.request_stop();
      break;
    }
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
    if (chunk.unbounded) KINGLET_RETURN_IF_ERROR(CheckUnbounded(chunk.file, fd.get()));
    file.check.Add(chunk.index);
    if (file.left.fetch_sub(1) > 1) {
      KINGLET_RETURN_IF_ERROR(journal.Add(chunk.file, chunk.index));
      file.check.Follow(fd.get(), context.stop);
      return {};
    }
    // The last chunk is entered only after the whole file was found right.
    auto found = file.check.Finish(fd.get(), context.stop);
    if (!found.status && found.status.error().code() == Code::kDataLoss) {
      LogWarning("fetching a file again",
                 {{"file", object.path}, {"why", found.status.error().message()}});
      KINGLET_RETURN_IF_ERROR(journal.Forget(chunk.file));
      for (const Chunk& again : ChunksOf(chunk.file)) {
        counters.present -= std::min<uint64_t>(counters.present, again.size);
        KINGLET_RETURN_IF_ERROR(FetchBytes(again, fd.get()));
        if (again.index != chunk.index) {
          KINGLET_RETURN_IF_ERROR(journal.Add(chunk.file, again.index));
        }
      }
      auto before = std::exchange(found, file.check.Finish(fd.get(), context.stop));
      if (!found.status && found.tentative && found.actual == before.actual) {
        LogWarning("the store's checksum is not this file's, but two downloads are the same",
                   {{"file", object.path}, {"why", found.status.error().message()}});
        found.status = {};
      }
    }
    KINGLET_RETURN_IF_ERROR(found.status);
    ++counters.files;
    return journal.Add(chunk.file, chunk.index);
  }

  // Of an object whose size nobody told, the listing may know the checksum all the same. Only there
  // can a broken connection pass for the end.
  Status CheckUnbounded(size_t i, int fd) {
    const Object& object = objects[i];
    Checksum checksum;
    {
      std::lock_guard lock(files[i]->mutex);
      checksum = files[i]->checksum;
    }
    struct stat info{};
    if (fstat(fd, &info) != 0) return Unexpected(ErrnoError(object.path, errno));
    FileCheck check(static_cast<uint64_t>(info.st_size), options.chunk_bytes, object.path,
                    [&] { return checksum; });
    return check.Finish(fd, context.stop).status;
  }

  Checksum FindChecksum(size_t i) {
    const Object& object = objects[i];
    if (!object.size) return {};
    File& file = *files[i];
    {
      std::lock_guard lock(file.mutex);
      if (file.checksum) return file.checksum;
    }
    if (file.chunks == 1 && !source.checksums_by_request()) return {};
    return source.WholeChecksum(object, context);
  }

  // Registers a flight, and lets go of it when nobody else does anything with it.
  class Entry {
   public:
    Entry(Impl& impl, Flight& flight)
        : impl_(impl), flight_(flight), end_(impl.context.stop, [&flight] {
            flight.first.request_stop();
            flight.second.request_stop();
          }) {
      std::lock_guard lock(impl.mutex);
      impl.flights.insert(&flight);
    }
    ~Entry() {
      flight_.second.request_stop();
      std::unique_lock lock(impl_.mutex);
      impl_.flights.erase(&flight_);
      impl_.AwaitHedge(flight_, lock);
    }

   private:
    Impl& impl_;
    Flight& flight_;
    std::stop_callback<std::function<void()>> end_;
  };

  // All bytes of the chunk, over as many requests as it takes.
  Status FetchBytes(const Chunk& chunk, int fd) {
    const Object& object = objects[chunk.file];
    if (!chunk.unbounded && chunk.size == 0) return {};
    Flight flight(chunk, fd, object.ranges && !chunk.unbounded);
    Entry entry(*this, flight);
    Duration backoff = options.first_backoff;
    // A silent server is asked again long before it counts as stalled: bytes that came are kept,
    // and a connection that hangs alone is the common case. Each time is waited for longer.
    Duration patience =
        flight.resumes ? context.stall_timeout / kImpatience : context.stall_timeout;
    for (int failures = 0;;) {
      uint64_t before = flight.done;
      Outcome outcome = First(flight, patience);
      if (outcome.status || HedgeWon(flight)) return {};
      if (context.stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
      if (context.deadline.Expired()) {
        return Fail(Code::kDeadlineExceeded, "the download's deadline passed; last: {}",
                    outcome.status.error().message());
      }
      if (outcome.busy) pace.Refused(std::chrono::steady_clock::now());
      if (outcome.ranges_ignored) counters.ranges_ignored = true;
      if (!outcome.retry) return outcome.status;
      // What has to begin again is no progress, however far it came.
      if (flight.resumes && flight.done > before) {
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
      if (!flight.resumes) {
        counters.present -= std::min<uint64_t>(counters.present, flight.done);
        flight.done = 0;  // such a server can only begin again
      }
      if (++failures >= options.max_failures) {
        return Unexpected(
            outcome.status.error().WithContext(fmt::format("gave up after {} attempts", failures)));
      }
      ++counters.retries;
      Duration wait = std::max(backoff, std::min(outcome.retry_after, kMaxRetryAfter));
      LogWarning("retrying", {{"file", object.path},
                              {"offset", chunk.offset + flight.done},
                              {"why", outcome.status.error().message()},
                              {"wait_s", std::chrono::duration<double>(wait).count()}});
      Wait(wait, context);
      backoff = std::min(backoff * 2, options.max_backoff);
    }
  }

  // An object of unknown size takes what nobody has asked the volume for.
  Status CheckBudget(const Chunk& chunk, uint64_t bytes) {
    if (!chunk.unbounded) return {};
    if (counters.present > options.max_bytes) {
      return Fail(Code::kResourceExhausted,
                  "{}: the model is over {}: STORAGE_MAX_BYTES can allow more",
                  objects[chunk.file].path, HumanBytes(static_cast<double>(options.max_bytes)));
    }
    return free_space.Take(bytes);
  }

  Outcome First(Flight& flight, Duration patience) {
    flight.heard = std::chrono::steady_clock::now();
    Context own = context;
    own.stop = flight.first.get_token();
    own.stall_timeout = patience;
    RangeObserver observer{.on_written = [&](uint64_t bytes) -> Status {
                             flight.done += bytes;
                             counters.present += bytes;
                             counters.received += bytes;
                             return CheckBudget(flight.chunk, bytes);
                           },
                           .on_heard = [&] { flight.heard = std::chrono::steady_clock::now(); }};
    Outcome outcome = Request(flight, flight.done, own, std::move(observer));
    flight.heard = kNoRequest;
    return outcome;
  }

  // From `at` of the chunk to its end.
  Outcome Request(Flight& flight, uint64_t at, const Context& with, RangeObserver observer) {
    const Chunk& chunk = flight.chunk;
    const Object& object = objects[chunk.file];
    ByteRange range{.first = chunk.offset + at,
                    .count = chunk.size - at,
                    .whole = chunk.whole && at == 0,
                    .unbounded = chunk.unbounded};
    observer.on_head = [&, whole = range.whole](const http::ClientResponse& head) -> Status {
      File& file = *files[chunk.file];
      std::lock_guard lock(file.mutex);
      if (whole && !file.checksum) file.checksum = source.HeadChecksum(object, head);
      // Where the listing has no validator, the answers must agree with each other.
      const std::string validator(
          head.headers.Get(head.headers.Has("etag") ? "etag" : "last-modified"));
      if (!object.etag.empty() || object.checksum || validator.empty()) return {};
      if (file.validator.empty()) file.validator = validator;
      if (file.validator == validator) return {};
      return Fail(Code::kAborted, "{}: the object changed while it was downloaded", object.path);
    };
    return FetchRange(source, object, range, {flight.fd, files[chunk.file]->writing}, with,
                      observer);
  }

  // Under mutex, of the thread that called Run: flights that have been silent for long get a second
  // request.
  void WantHedges(SteadyTime now) {
    Duration silence = std::max(context.stall_timeout / kHedgeAfter, kShortestSilence);
    for (Flight* flight : flights) {
      if (hedges_left == 0) return;
      if (!flight->resumes || flight->hedged || now - flight->heard.load() < silence) continue;
      flight->hedged = flight->hedging = true;
      --hedges_left;
      hedges.push_back(flight);
    }
  }

  // Whether it brought the rest of the chunk.
  bool Hedge(Flight& flight) {
    uint64_t from = flight.done;
    if (from >= flight.chunk.size) return false;
    ++counters.hedges;
    LogDebug("a second request after silence", {{"file", objects[flight.chunk.file].path}});
    Context own = context;
    own.stop = flight.second.get_token();
    own.stall_timeout = context.stall_timeout / kImpatience;  // the first may be waiting for it
    RangeObserver observer{.on_written = [&](uint64_t bytes) -> Status {
      counters.received += bytes;
      counters.hedged_bytes += bytes;
      return Status();
    }};
    Outcome outcome = Request(flight, from, own, std::move(observer));
    return outcome.status.has_value();
  }

  // Until nobody works on a second request.
  void AwaitHedge(Flight& flight, std::unique_lock<std::mutex>& lock) {
    if (std::erase(hedges, &flight) > 0) flight.hedging = false;
    changed.wait(lock, [&] { return !flight.hedging; });
  }

  // After the first request failed: whether the second brought the rest.
  bool HedgeWon(Flight& flight) {
    std::unique_lock lock(mutex);
    AwaitHedge(flight, lock);
    if (!flight.hedge_won) return false;
    counters.present += flight.chunk.size - flight.done;
    return true;
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
  std::vector<std::jthread> workers;
  std::unique_lock lock(impl.mutex);
  while (true) {
    auto now = std::chrono::steady_clock::now();
    bool all_used = impl.fetching >= impl.pace.allowed();
    impl.pace.Measure(impl.counters.received, all_used, now);
    impl.WantHedges(now);
    size_t wanted = static_cast<size_t>(impl.pace.allowed()) + impl.hedges.size();
    wanted = std::min(wanted,
                      static_cast<size_t>(impl.fetching) + impl.queue.size() + impl.hedges.size());
    while (workers.size() < wanted && !impl.Over()) {
      ++impl.working;
      workers.emplace_back([&] { impl.Work(stop_all); });
    }
    if (impl.working == 0) break;
    impl.changed.notify_all();  // more may be allowed
    impl.changed.wait_for(lock, kTick, [&] { return impl.working == 0; });
    lock.unlock();
    tick();
    lock.lock();
  }
  lock.unlock();
  workers.clear();
  if (!impl.failure) return impl.failure;
  if (!impl.queue.empty()) return Fail(Code::kCancelled, "stopped");
  return {};
}

}  // namespace kinglet::storage
