// The request's body: buffered, read to the end, or piece by piece.
#include <algorithm>
#include <cstring>

#include "net/http/connection.h"

namespace kinglet::http {

namespace {
constexpr size_t kPiece = 64 << 10;
constexpr size_t kDiscardMost = 256 << 10;
}  // namespace

bool Connection::BufferedBody(std::string_view* body) {
  if (!body_done_ || body_streamed_ || body_failed_) return false;
  *body = body_view_;
  return true;
}

Status Connection::CountBody(size_t bytes) {
  body_seen_ += bytes;
  if (body_seen_ <= core_.options.max_body_bytes) return {};
  body_failed_ = true;
  return Fail(Code::kResourceExhausted, "the request's body is over {} bytes",
              core_.options.max_body_bytes);
}

// Moves body bytes from the buffer to body_ (or, for chunked bodies, decodes them).
Status Connection::TakeBuffered() {
  if (parser_.framing() == Framing::kLength) {
    size_t take = static_cast<size_t>(std::min<uint64_t>(body_left_, Buffered()));
    body_.append(Input().substr(0, take));
    begin_ += take;
    body_left_ -= take;
    body_done_ = body_left_ == 0;
  } else {
    while (!body_done_ && Buffered()) {
      auto step = chunks_.Next(Input());
      begin_ += step.consumed;
      if (step.state == ChunkDecoder::State::kError) {
        body_failed_ = true;
        return Fail(Code::kInvalidArgument, "malformed request body: {}", chunks_.error());
      }
      if (step.state == ChunkDecoder::State::kDone) body_done_ = true;
      if (step.state == ChunkDecoder::State::kPayload) {
        KINGLET_RETURN_IF_ERROR(CountBody(step.payload.size()));
        body_.append(step.payload);
      }
      if (step.state == ChunkDecoder::State::kNeedMore) break;
    }
    // "0 CR LF CR LF" may end exactly with the input.
    if (chunks_.done()) body_done_ = true;
  }
  if (body_done_) body_view_ = body_;
  return {};
}

// Before the buffer is used for more of the body: the head stays where its views point.
void Connection::KeepHead() {
  if (head_keep_) return;
  size_t used = Buffered();
  size_t size = std::max<size_t>(used, kPiece);
  auto fresh = std::make_unique_for_overwrite<char[]>(size);
  if (used) memcpy(fresh.get(), in_.get() + begin_, used);
  head_keep_ = std::move(in_);
  in_ = std::move(fresh);
  capacity_ = size;
  begin_ = 0;
  end_ = used;
}

void Connection::SendContinue() {
  if (continued_ || !parser_.expects_continue() || responded_) return;
  continued_ = true;
  if (Buffered()) return;  // the client did not wait
  Queue("HTTP/1.1 100 Continue\r\n\r\n");
  Flush();
}

// Waits for more of the body in the buffer. False: the client ended the stream.
net::Task<Result<bool>> Connection::MoreBody() {
  KeepHead();
  while (true) {
    if (gone_) co_return Fail(Code::kCancelled, "the client is gone");
    if (readable_) {
      ssize_t got = ReadInput(1);
      if (got > 0) co_return true;
      if (got != net::TlsSession::kAgain) {
        peer_done_ = true;
        body_failed_ = true;
        co_return Fail(Code::kInvalidArgument, "the request's body was cut short");
      }
      continue;
    }
    bool ready = co_await net::internal::SlotWaiter(&read_waiter_, loop_, Deadline(BodyDeadline()));
    if (!ready) {
      body_failed_ = true;
      co_return Fail(Code::kDeadlineExceeded, "the request's body did not arrive in time");
    }
  }
}

net::Task<Result<std::string_view>> Connection::ReadBody(size_t limit) {
  limit = std::min(limit, core_.options.max_body_bytes);
  auto too_large = [&] {
    body_failed_ |= !body_done_;
    return Fail(Code::kResourceExhausted, "the request's body is over {} bytes", limit);
  };
  if (body_failed_) co_return Fail(Code::kInvalidArgument, "malformed request body");
  if (!body_done_) {
    if (body_left_ > limit) co_return too_large();
    SendContinue();
    KINGLET_CO_RETURN_IF_ERROR(TakeBuffered());
    while (!body_done_) {
      if (parser_.framing() == Framing::kLength) {
        // Straight into the body; memory grows with what arrives, not with what was announced.
        KeepHead();
        size_t have = body_.size();
        auto room = static_cast<size_t>(
            std::min<uint64_t>(body_left_, std::max<size_t>(have, size_t{256} << 10)));
        ssize_t got = net::TlsSession::kAgain;
        if (readable_ && !gone_) {
          body_.resize_and_overwrite(have + room, [&](char* data, size_t) {
            got = ReadSocket(data + have, room);
            return have + static_cast<size_t>(std::max<ssize_t>(got, 0));
          });
        }
        if (got > 0) {
          body_left_ -= static_cast<uint64_t>(got);
          body_done_ = body_left_ == 0;
          continue;
        }
        if (got != net::TlsSession::kAgain) {
          peer_done_ = body_failed_ = true;
          co_return Fail(Code::kInvalidArgument, "the request's body was cut short");
        }
      }
      KINGLET_CO_RETURN_IF_ERROR(co_await MoreBody());
      KINGLET_CO_RETURN_IF_ERROR(TakeBuffered());
      if (body_.size() > limit) co_return too_large();
    }
    body_view_ = body_;
  }
  if (body_view_.size() > limit) co_return too_large();
  co_return body_view_;
}

net::Task<Result<std::string_view>> Connection::ReadSome() {
  if (body_failed_) co_return Fail(Code::kInvalidArgument, "malformed request body");
  body_streamed_ = true;
  if (body_done_) {
    // What was buffered (all, or the decoded beginning) is one piece.
    co_return std::exchange(body_view_, {});
  }
  if (!body_.empty()) {
    // Decoded before the handler ran.
    some_ = std::exchange(body_, {});
    co_return some_;
  }
  SendContinue();
  while (true) {
    while (Buffered()) {
      if (parser_.framing() == Framing::kLength) {
        size_t take = static_cast<size_t>(std::min<uint64_t>(body_left_, Buffered()));
        std::string_view piece = Input().substr(0, take);
        begin_ += take;
        body_left_ -= take;
        body_done_ = body_left_ == 0;
        co_return piece;
      }
      auto step = chunks_.Next(Input());
      begin_ += step.consumed;
      if (step.state == ChunkDecoder::State::kError) {
        body_failed_ = true;
        co_return Fail(Code::kInvalidArgument, "malformed request body: {}", chunks_.error());
      }
      if (chunks_.done()) body_done_ = true;
      if (step.state == ChunkDecoder::State::kPayload) {
        KINGLET_CO_RETURN_IF_ERROR(CountBody(step.payload.size()));
        co_return step.payload;
      }
      if (body_done_) co_return std::string_view();
    }
    KINGLET_CO_RETURN_IF_ERROR(co_await MoreBody());
  }
}

// Drops what the handler did not read. True when it may go on (done, or given up: close_ is set).
bool Connection::DiscardBody() {
  auto give_up = [&] {
    close_ = linger_ = true;
    return true;
  };
  if (parser_.expects_continue() && !continued_ && !Buffered()) return give_up();
  while (!body_done_ && Buffered()) {
    size_t used;
    if (parser_.framing() == Framing::kLength) {
      used = static_cast<size_t>(std::min<uint64_t>(body_left_, Buffered()));
      body_left_ -= used;
      body_done_ = body_left_ == 0;
    } else {
      auto step = chunks_.Next(Input());
      if (step.state == ChunkDecoder::State::kError) return give_up();
      used = step.consumed;
      if (chunks_.done()) body_done_ = true;
    }
    begin_ += used;
    discarded_ += used;
  }
  if (!body_done_)
    return discarded_ > kDiscardMost || body_left_ > kDiscardMost ? give_up() : false;
  return true;
}

}  // namespace kinglet::http
