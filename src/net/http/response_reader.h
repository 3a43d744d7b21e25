// The client's side of HTTP/1.1 framing: bytes of a connection, cut anywhere, to one response.
// Servers are not trusted: head, interim responses and chunk framing are limited (see parser.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http/client.h"
#include "net/http/parser.h"

namespace kinglet::http {

class ResponseReader {
 public:
  // `method` of the request; `sink` gets status and fields when the head is complete.
  ResponseReader(std::string_view method, ClientResponse& sink)
      : method_(method), response_(sink), parser_(HeadParser::Kind::kResponse) {}

  enum class Event { kMore, kHead, kBody, kDone };
  struct Step {
    Event event;
    size_t consumed;        // of the input, body included
    std::string_view body;  // points into the input; for kBody
  };
  // Call again with the rest until it is used up or kDone. kUnavailable: this is not HTTP.
  Result<Step> Next(std::string_view input);
  // The connection was closed by the server. kUnavailable where the response is not whole.
  Status End() const;

  // Anything of a response was seen, interim ones included.
  bool started() const { return started_; }
  bool has_head() const { return phase_ != Phase::kHead; }
  bool done() const { return phase_ == Phase::kDone; }
  // Another request may be sent on the connection once this response is done.
  bool keeps_connection() const { return done() && keep_alive_; }

 private:
  enum class Phase { kHead, kLength, kChunked, kUntilClose, kDone };
  Result<Step> Head(std::string_view input);
  Status TakeHead();

  const std::string method_;
  ClientResponse& response_;
  HeadParser parser_;
  ChunkDecoder chunks_;
  std::string head_;
  Phase phase_ = Phase::kHead;
  uint64_t left_ = 0;
  int interim_ = 0;
  bool started_ = false, keep_alive_ = false;
};

}  // namespace kinglet::http
