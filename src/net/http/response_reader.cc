#include "net/http/response_reader.h"

#include <algorithm>

namespace kinglet::http {
namespace {

constexpr int kMaxInterim = 16;

Unexpected NotHttp(std::string_view why) {
  return Fail(Code::kUnavailable, "the server's answer is not valid HTTP: {}", why);
}

}  // namespace

Status ResponseReader::TakeHead() {
  response_.status = parser_.status();
  response_.headers.Clear();
  for (size_t i = 0; i < parser_.fields(); ++i) {
    response_.headers.Add(parser_.name(i), parser_.value(i));
  }
  keep_alive_ = parser_.keep_alive();
  if (method_ == "CONNECT" && response_.status / 100 == 2) {
    phase_ = Phase::kDone;
    return {};
  }
  switch (parser_.ResponseFraming(method_)) {
    case Framing::kNone:
      phase_ = Phase::kDone;
      break;
    case Framing::kLength:
      phase_ = Phase::kLength;
      left_ = parser_.content_length();
      break;
    case Framing::kChunked:
      phase_ = Phase::kChunked;
      break;
    case Framing::kUntilClose:
      phase_ = Phase::kUntilClose;
      keep_alive_ = false;
      break;
  }
  return {};
}

Result<ResponseReader::Step> ResponseReader::Head(std::string_view input) {
  started_ = true;
  const size_t before = head_.size();
  head_ += input;
  switch (parser_.Parse(head_)) {
    case HeadParser::State::kIncomplete:
      return Step{Event::kMore, input.size(), {}};
    case HeadParser::State::kError:
      return NotHttp(parser_.error());
    case HeadParser::State::kDone:
      break;
  }
  const size_t consumed = parser_.head_size() - before;
  if (parser_.status() < 200) {
    // 100 Continue, 103 Early Hints: the real one follows.
    if (parser_.status() == 101) return NotHttp("it switches protocols unasked");
    if (++interim_ > kMaxInterim) return NotHttp("too many interim responses");
    parser_.Reset();
    head_.clear();
    return Step{Event::kMore, consumed, {}};
  }
  KINGLET_RETURN_IF_ERROR(TakeHead());
  head_ = {};
  return Step{Event::kHead, consumed, {}};
}

Result<ResponseReader::Step> ResponseReader::Next(std::string_view input) {
  switch (phase_) {
    case Phase::kHead:
      return input.empty() ? Step{Event::kMore, 0, {}} : Head(input);
    case Phase::kLength: {
      if (input.empty()) return Step{Event::kMore, 0, {}};
      const auto size = static_cast<size_t>(std::min<uint64_t>(left_, input.size()));
      left_ -= size;
      if (left_ == 0) phase_ = Phase::kDone;
      return Step{Event::kBody, size, input.substr(0, size)};
    }
    case Phase::kChunked: {
      const ChunkDecoder::Step step = chunks_.Next(input);
      switch (step.state) {
        case ChunkDecoder::State::kNeedMore:
          return Step{Event::kMore, step.consumed, {}};
        case ChunkDecoder::State::kPayload:
          return Step{Event::kBody, step.consumed, step.payload};
        case ChunkDecoder::State::kDone:
          phase_ = Phase::kDone;
          return Step{Event::kDone, step.consumed, {}};
        case ChunkDecoder::State::kError:
          return NotHttp(chunks_.error());
      }
      return NotHttp("chunks");
    }
    case Phase::kUntilClose:
      return Step{input.empty() ? Event::kMore : Event::kBody, input.size(), input};
    case Phase::kDone:
      return Step{Event::kDone, 0, {}};
  }
  return NotHttp("state");
}

Status ResponseReader::End() const {
  if (phase_ == Phase::kDone || phase_ == Phase::kUntilClose) return {};
  if (!started_) return Fail(Code::kUnavailable, "the server closed the connection");
  return Fail(Code::kUnavailable, "the server closed the connection inside its {}",
              phase_ == Phase::kHead ? "response's head" : "response");
}

}  // namespace kinglet::http
