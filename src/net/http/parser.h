// Parser of HTTP/1.1 message heads (RFC 9112), for requests and responses, incremental, without
// copies. Strict where laxness lets two parsers disagree about where a message ends: both
// Content-Length and Transfer-Encoding, repeated or malformed lengths, folded lines, bare CR or LF,
// white space before a colon and unknown transfer codings are refused. So are CONNECT, which
// nothing here serves, and an absolute target for another authority than Host.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace kinglet::http {

struct HeadLimits {
  size_t max_bytes = 64 << 10;
  size_t max_fields = 200;
};

enum class Framing { kNone, kLength, kChunked, kUntilClose };

class HeadParser {
 public:
  enum class Kind { kRequest, kResponse };
  explicit HeadParser(Kind kind, HeadLimits limits = {}) : kind_(kind), limits_(limits) {}

  enum class State { kIncomplete, kDone, kError };
  // `bytes`: everything since the message's beginning; may have moved in memory since the last call
  // but only grown. On kDone the views below point into these bytes until Rebase or Reset.
  State Parse(std::string_view bytes);
  // Points the views into a moved copy of the head.
  void Rebase(const char* base) { base_ = base; }
  void Reset();

  size_t head_size() const { return position_; }
  // Bytes of empty lines before a request that the caller may drop; part of head_size.
  std::string_view method() const { return View(method_); }
  std::string_view target() const { return View(target_); }
  int minor_version() const { return minor_; }
  int status() const { return status_; }
  size_t fields() const { return fields_.size(); }
  std::string_view name(size_t i) const { return View(fields_[i].name); }
  std::string_view value(size_t i) const { return View(fields_[i].value); }
  std::string_view Get(std::string_view name) const;

  Framing framing() const { return framing_; }  // of a request; see ResponseFraming
  uint64_t content_length() const { return content_length_; }
  bool has_content_length() const { return has_length_; }
  bool keep_alive() const;
  bool expects_continue() const { return expect_continue_; }
  // How the body of this response to a request of `method` ends (RFC 9112 6.3).
  Framing ResponseFraming(std::string_view method) const;

  // After kError: the status to answer a request with, and why.
  int error_status() const { return error_status_; }
  std::string_view error() const { return error_; }

 private:
  struct Span {
    uint32_t offset = 0, size = 0;
  };
  struct Field {
    Span name, value;
  };
  std::string_view View(Span span) const { return {base_ + span.offset, span.size}; }
  State Error(int status, const char* why);
  bool RequestLine(const char* begin, const char* end);
  bool StatusLine(const char* begin, const char* end);
  bool FieldLine(const char* begin, const char* end);
  bool Known(std::string_view name, std::string_view value);
  bool TargetIsOfHost() const;
  bool Finish();

  Kind kind_;
  HeadLimits limits_;
  const char* base_ = nullptr;
  size_t position_ = 0;  // where the next line begins
  size_t scanned_ = 0;   // no line end before this
  bool started_ = false;
  Span method_, target_;
  int minor_ = 1, status_ = 0;
  std::vector<Field> fields_;
  Framing framing_ = Framing::kNone;
  uint64_t content_length_ = 0;
  bool has_length_ = false, has_coding_ = false, has_host_ = false;
  bool expect_continue_ = false, close_ = false, keep_alive_ = false;
  int error_status_ = 0;
  const char* error_ = "";
};

// Undoes chunked framing; trailers are checked and dropped.
class ChunkDecoder {
 public:
  enum class State { kNeedMore, kPayload, kDone, kError };
  struct Step {
    State state;
    size_t consumed;           // bytes of input used, payload included
    std::string_view payload;  // points into the input; for kPayload
  };
  // Call again with the rest until kNeedMore (with empty rest), kDone or kError.
  Step Next(std::string_view input);
  void Reset() { *this = ChunkDecoder(); }
  bool done() const { return phase_ == Phase::kEnd; }
  std::string_view error() const { return error_; }

 private:
  enum class Phase {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kTrailerLf,
    kEnd,
    kFailed
  };
  Step Fail(const char* why);
  Phase phase_ = Phase::kSize;
  uint64_t left_ = 0;
  uint32_t digits_ = 0, extra_ = 0, line_ = 0;
  const char* error_ = "";
};

}  // namespace kinglet::http
