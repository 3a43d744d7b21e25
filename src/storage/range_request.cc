#include "storage/range_request.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace kinglet::storage {

namespace {

constexpr size_t kErrorBody = 64 << 10;

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

Status Put(int fd, std::string_view bytes, uint64_t offset, const std::string& name) {
  while (!bytes.empty()) {
    ssize_t put = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Unexpected(ErrnoError(fmt::format("write {}", name), errno));
    bytes.remove_prefix(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return {};
}

}  // namespace

Outcome FetchRange(Source& source, const Object& object, const ByteRange& range, int fd,
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
  auto response = source.client().Stream(
      *request,
      [&](const http::ClientResponse& head) -> Status {
        if (head.status != 200 && head.status != 206) {
          bad = head;
          failed = true;
          return {};
        }
        KINGLET_RETURN_IF_ERROR(CheckHead(source, object, range, head, outcome));
        if (observer.on_head) observer.on_head(head);
        return {};
      },
      [&](std::string_view bytes) -> Status {
        if (failed) {
          bad.body.append(bytes.substr(0, kErrorBody - std::min(kErrorBody, bad.body.size())));
          return {};
        }
        if (!range.unbounded && got + bytes.size() > range.count) {
          return Fail(Code::kDataLoss, "{}: the server sent more bytes than the object has",
                      object.path);
        }
        KINGLET_RETURN_IF_ERROR(Put(fd, bytes, range.first + got, object.path));
        got += bytes.size();
        observer.on_bytes(bytes.size());
        return {};
      });
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
