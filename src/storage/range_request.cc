#include "storage/range_request.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "net/http/credentials.h"

namespace kinglet::storage {

namespace {

constexpr size_t kErrorBody = 64 << 10;
constexpr uint64_t kPiece = 256 << 10;

bool StrongEtag(std::string_view etag) { return etag.starts_with('"'); }

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// Whether what follows the head of an answer is what was asked for.
Status CheckHead(const Source& source, const Object& object, const ByteRange& range,
                 const http::ClientResponse& head, Outcome& outcome) {
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
  int expected = range.whole || source.range_by_query() ? 200 : 206;
  if (head.status != expected) {
    // With If-Range, 200 says "changed"; the same validator or none says that ranges are not known.
    outcome.ranges_ignored = head.status == 200;
    return Fail(Code::kAborted, "{}: the server answered {} to a request for a range",
                object.locator, head.status);
  }
  if (head.status == 206) {
    std::string given(head.headers.Get("content-range"));
    std::string wanted = fmt::format("bytes {}-{}/", range.first, range.first + range.count - 1);
    if (!given.starts_with(wanted)) {
      return Fail(Code::kFailedPrecondition, "{}: asked for {} and got {}", object.locator, wanted,
                  given);
    }
    auto total = Number(std::string_view(given).substr(wanted.size()));
    if (total && object.size && *total != *object.size) {
      return Fail(Code::kAborted, "{}: the object's size changed from {} to {}", object.locator,
                  *object.size, *total);
    }
  }
  auto length = Number(head.headers.Get("content-length"));
  if (length && !range.unbounded && *length != range.count) {
    return Fail(Code::kAborted, "{}: the server offers {} bytes instead of {}", object.locator,
                *length, range.count);
  }
  return {};
}

// Collects what arrives, from an offset of a file on, and writes it up to each multiple of kPiece.
class PieceWriter {
 public:
  PieceWriter(SharedFile file, uint64_t offset, const std::string& name,
              const std::function<Status(uint64_t)>& on_written)
      : file_(file), offset_(offset), name_(name), on_written_(on_written) {}

  Status Add(std::string_view bytes) {
    while (!bytes.empty()) {
      const uint64_t wanted = kPiece - offset_ % kPiece;
      const auto taken = bytes.substr(0, wanted - piece_.size());
      piece_.append(taken);
      bytes.remove_prefix(taken.size());
      if (piece_.size() == wanted) KINGLET_RETURN_IF_ERROR(Flush());
    }
    return {};
  }

  Status Flush() {
    const uint64_t size = piece_.size();
    Status status = Put();
    piece_.clear();
    if (!status || size == 0) return status;
    offset_ += size;
    return on_written_(size);
  }

 private:
  Status Put() {
    std::lock_guard turn(file_.writing);
    std::string_view bytes = piece_;
    for (uint64_t offset = offset_; !bytes.empty();) {
      ssize_t put = pwrite(file_.fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Unexpected(ErrnoError(fmt::format("write {}", name_), errno));
      bytes.remove_prefix(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return {};
  }

  SharedFile file_;
  uint64_t offset_;  // of the piece
  const std::string& name_;
  const std::function<Status(uint64_t)>& on_written_;
  std::string piece_;
};

}  // namespace

Outcome FetchRange(Source& source, const Object& object, const ByteRange& range, SharedFile file,
                   const Context& context, const RangeObserver& observer) {
  auto request = source.Read(object, range.first, range.count, range.whole);
  if (!request) return {Unexpected(request.error())};
  request->stop = context.stop;
  request->deadline = context.deadline;
  request->stall_timeout = context.stall_timeout;

  Outcome outcome;
  http::ClientResponse bad;  // an answer that is not the bytes: its head and the body's beginning
  bool failed = false;
  uint64_t got = 0;
  PieceWriter writer(file, range.first, object.path, observer.on_written);
  auto response = source.client().Stream(
      *request,
      [&](const http::ClientResponse& head) -> Status {
        if (head.status != 200 && head.status != 206) {
          bad = head;
          failed = true;
          return {};
        }
        KINGLET_RETURN_IF_ERROR(CheckHead(source, object, range, head, outcome));
        return observer.on_head ? observer.on_head(head) : Status();
      },
      [&](std::string_view bytes) -> Status {
        if (observer.on_heard) observer.on_heard();
        if (failed) {
          bad.body.append(bytes.substr(0, kErrorBody - std::min(kErrorBody, bad.body.size())));
          bad.body = http::HideCredentials(std::move(bad.body), *request);
          if (bad.body.size() < kErrorBody) return {};
          return Fail(Code::kAborted, "enough of an answer that is not the object");
        }
        if (!range.unbounded && got + bytes.size() > range.count) {
          return Fail(Code::kDataLoss, "{}: the server sent more bytes than the object has",
                      object.path);
        }
        KINGLET_RETURN_IF_ERROR(writer.Add(bytes));
        got += bytes.size();
        return {};
      });
  if (Status written = writer.Flush(); !written) return {std::move(written)};
  if (failed) {
    if (auto seconds = Number(bad.headers.Get("retry-after"))) {
      outcome.retry_after = std::chrono::seconds(std::min<uint64_t>(*seconds, 3600));
    }
    outcome.busy = bad.status == 429 || bad.status == 503;
    outcome.status = Unexpected(source.StatusError(object, bad));
    outcome.retry = RetryableStatus(bad.status) || source.Renew(bad);
  } else if (!response) {
    Code code = response.error().code();
    outcome.status = Unexpected(response.error());
    outcome.retry = code == Code::kUnavailable || code == Code::kDeadlineExceeded;
  } else if (!range.unbounded && got < range.count) {
    outcome.status = Fail(Code::kUnavailable, "{}: the server sent {} bytes instead of {}",
                          object.path, got, range.count);
    outcome.retry = true;
  }
  return outcome;
}

}  // namespace kinglet::storage
