#include "net/http/parser.h"

#include <array>
#include <cstring>

#include "net/http/message.h"

namespace kinglet::http {

namespace {

constexpr size_t kMaxMethod = 32;
constexpr uint32_t kMaxChunkExtra = 16 << 10;  // extensions and trailers of one message

constexpr std::array<uint8_t, 256> MakeTable() {
  std::array<uint8_t, 256> table{};
  // 1: token; 2: field value (RFC 9110 5.5, obs-text allowed); 4: request target.
  for (int c = 0; c < 256; ++c) {
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool token = alnum;
    for (char t : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
      token |= c == t;
    }
    uint8_t bits = token ? 1 : 0;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= 2;
    if (c > 0x20 && c != 0x7f) bits |= 4;
    table[static_cast<size_t>(c)] = bits;
  }
  return table;
}
constexpr std::array<uint8_t, 256> kTable = MakeTable();

template <uint8_t kBits>
const char* SkipWhile(const char* p, const char* end) {
  while (p < end && (kTable[static_cast<uint8_t>(*p)] & kBits)) ++p;
  return p;
}

}  // namespace

void HeadParser::Reset() {
  position_ = scanned_ = 0;
  started_ = false;
  method_ = target_ = {};
  minor_ = 1;
  status_ = 0;
  fields_.clear();
  framing_ = Framing::kNone;
  content_length_ = 0;
  has_length_ = has_coding_ = has_host_ = false;
  expect_continue_ = close_ = keep_alive_ = false;
  error_status_ = 0;
  error_ = "";
}

HeadParser::State HeadParser::Error(int status, const char* why) {
  error_status_ = status;
  error_ = why;
  return State::kError;
}

HeadParser::State HeadParser::Parse(std::string_view bytes) {
  if (error_status_) return State::kError;
  base_ = bytes.data();
  while (true) {
    const char* begin = base_ + position_;
    const char* limit = base_ + bytes.size();
    const char* from = base_ + std::max(position_, scanned_);
    auto* lf = static_cast<const char*>(
        from < limit ? memchr(from, '\n', static_cast<size_t>(limit - from)) : nullptr);
    size_t line_end = lf ? static_cast<size_t>(lf - base_) + 1 : bytes.size();
    if (line_end > limits_.max_bytes) {
      return started_ ? Error(431, "the request's head is too large")
                      : Error(414, "the request line is too long");
    }
    if (!lf) {
      scanned_ = bytes.size();
      return State::kIncomplete;
    }
    if (lf == begin || lf[-1] != '\r') return Error(400, "a line does not end in CR LF");
    const char* end = lf - 1;
    position_ = scanned_ = line_end;
    if (!started_) {
      if (begin == end && kind_ == Kind::kRequest && position_ <= 8) continue;
      started_ = true;
      if (!(kind_ == Kind::kRequest ? RequestLine(begin, end) : StatusLine(begin, end))) {
        return State::kError;
      }
      continue;
    }
    if (begin == end) return Finish() ? State::kDone : State::kError;
    if (!FieldLine(begin, end)) return State::kError;
  }
}

bool HeadParser::RequestLine(const char* begin, const char* end) {
  auto fail = [&](int status, const char* why) {
    Error(status, why);
    return false;
  };
  const char* p = SkipWhile<1>(begin, end);
  auto method_size = static_cast<size_t>(p - begin);
  if (method_size == 0 || method_size > kMaxMethod || p == end || *p != ' ') {
    return fail(400, "malformed request line");
  }
  method_ = {static_cast<uint32_t>(begin - base_), static_cast<uint32_t>(method_size)};
  const char* target = ++p;
  p = SkipWhile<4>(p, end);
  if (p == target || p == end || *p != ' ') return fail(400, "malformed request line");
  target_ = {static_cast<uint32_t>(target - base_), static_cast<uint32_t>(p - target)};
  std::string_view version(p + 1, static_cast<size_t>(end - p - 1));
  if (version == "HTTP/1.1") {
    minor_ = 1;
  } else if (version == "HTTP/1.0") {
    minor_ = 0;
  } else if (version.starts_with("HTTP/") && version.size() == 8) {
    return fail(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  } else {
    return fail(400, "malformed request line");
  }
  std::string_view text = target_.size ? std::string_view(target, target_.size) : "";
  bool absolute = text.starts_with("http://") || text.starts_with("https://");
  if (View(method_) == "CONNECT") return fail(501, "CONNECT is not served here");
  bool asterisk = text == "*" && View(method_) == "OPTIONS";
  if (text[0] != '/' && !absolute && !asterisk) {
    return fail(400, "malformed request target");
  }
  return true;
}

bool HeadParser::StatusLine(const char* begin, const char* end) {
  std::string_view line(begin, static_cast<size_t>(end - begin));
  bool known = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  auto digit = [&](size_t i) { return line[i] >= '0' && line[i] <= '9'; };
  if (!known || line.size() < 12 || !digit(9) || !digit(10) || !digit(11) ||
      (line.size() > 12 && line[12] != ' ') || SkipWhile<2>(begin, end) != end) {
    Error(502, "malformed status line");
    return false;
  }
  minor_ = line[7] - '0';
  status_ = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (status_ < 100) {
    Error(502, "malformed status line");
    return false;
  }
  return true;
}

bool HeadParser::FieldLine(const char* begin, const char* end) {
  const char* p = SkipWhile<1>(begin, end);
  if (p == begin || p == end || *p != ':') {
    Error(400, *begin == ' ' || *begin == '\t' ? "folded header lines are not accepted"
                                               : "malformed header field");
    return false;
  }
  if (fields_.size() >= limits_.max_fields) {
    Error(431, "too many header fields");
    return false;
  }
  const char* value = p + 1;
  while (value < end && (*value == ' ' || *value == '\t')) ++value;
  if (SkipWhile<2>(value, end) != end) {
    Error(400, "a header field has a control character");
    return false;
  }
  const char* last = end;
  while (last > value && (last[-1] == ' ' || last[-1] == '\t')) --last;
  Field field{{static_cast<uint32_t>(begin - base_), static_cast<uint32_t>(p - begin)},
              {static_cast<uint32_t>(value - base_), static_cast<uint32_t>(last - value)}};
  fields_.push_back(field);
  return Known(View(field.name), View(field.value));
}

bool HeadParser::Known(std::string_view name, std::string_view value) {
  auto fail = [&](int status, const char* why) {
    Error(status, why);
    return false;
  };
  switch (name.size()) {
    case 4:
      if (EqualsIgnoreCase(name, "host")) {
        if (has_host_) return fail(400, "more than one Host");
        has_host_ = true;
      }
      break;
    case 6:
      if (EqualsIgnoreCase(name, "expect")) {
        if (!EqualsIgnoreCase(value, "100-continue")) return fail(417, "unknown expectation");
        expect_continue_ = minor_ == 1;  // a client of HTTP/1.0 knows no 100
      }
      break;
    case 10:
      if (EqualsIgnoreCase(name, "connection")) {
        close_ |= ListHasToken(value, "close");
        keep_alive_ |= ListHasToken(value, "keep-alive");
      }
      break;
    case 14:
      if (EqualsIgnoreCase(name, "content-length")) {
        if (has_length_) return fail(400, "more than one Content-Length");
        if (value.empty() || value.size() > 18) return fail(400, "malformed Content-Length");
        uint64_t length = 0;
        for (char c : value) {
          if (c < '0' || c > '9') return fail(400, "malformed Content-Length");
          length = length * 10 + static_cast<uint64_t>(c - '0');
        }
        has_length_ = true;
        content_length_ = length;
      }
      break;
    case 17:
      if (EqualsIgnoreCase(name, "transfer-encoding")) {
        if (has_coding_) return fail(400, "more than one Transfer-Encoding");
        if (!EqualsIgnoreCase(value, "chunked")) return fail(501, "unknown transfer coding");
        has_coding_ = true;
      }
      break;
    default:
      break;
  }
  return true;
}

// Whether an absolute target names the server that Host names: whoever stands in front may have
// decided by the one, and what is behind it goes by the other.
bool HeadParser::TargetIsOfHost() const {
  std::string_view authority = target();
  if (authority[0] == '/' || authority == "*") return true;
  const std::string_view port = authority.starts_with("https:") ? ":443" : ":80";
  authority.remove_prefix(authority.find("://") + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  std::string_view host = Get("host");
  for (std::string_view* each : {&authority, &host}) {
    if (each->ends_with(port)) each->remove_suffix(port.size());
  }
  return !authority.empty() && EqualsIgnoreCase(authority, host);
}

bool HeadParser::Finish() {
  auto fail = [&](const char* why) {
    Error(400, why);
    return false;
  };
  if (has_length_ && has_coding_) return fail("both Content-Length and Transfer-Encoding");
  if (has_coding_ && minor_ == 0) return fail("Transfer-Encoding in HTTP/1.0");
  if (kind_ == Kind::kRequest && minor_ == 1 && !has_host_) return fail("no Host");
  if (kind_ == Kind::kRequest && has_host_ && !TargetIsOfHost()) {
    return fail("the target and Host name different servers");
  }
  framing_ = has_coding_                           ? Framing::kChunked
             : has_length_ && content_length_ != 0 ? Framing::kLength
                                                   : Framing::kNone;
  return true;
}

bool HeadParser::keep_alive() const { return !close_ && (minor_ == 1 || keep_alive_); }

Framing HeadParser::ResponseFraming(std::string_view method) const {
  if (method == "HEAD" || status_ < 200 || status_ == 204 || status_ == 304) return Framing::kNone;
  if (has_coding_) return Framing::kChunked;
  if (has_length_) return content_length_ ? Framing::kLength : Framing::kNone;
  return Framing::kUntilClose;
}

std::string_view HeadParser::Get(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name.size == name.size() && EqualsIgnoreCase(View(field.name), name)) {
      return View(field.value);
    }
  }
  return {};
}

ChunkDecoder::Step ChunkDecoder::Fail(const char* why) {
  phase_ = Phase::kFailed;
  error_ = why;
  return {State::kError, 0, {}};
}

ChunkDecoder::Step ChunkDecoder::Next(std::string_view input) {
  size_t i = 0;
  while (i < input.size() || phase_ == Phase::kEnd) {
    if (phase_ == Phase::kEnd) return {State::kDone, i, {}};
    char c = input[i];
    switch (phase_) {
      case Phase::kSize: {
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit >= 0) {
          if (++digits_ > 15) return Fail("a chunk's size is too large");
          left_ = left_ * 16 + static_cast<uint64_t>(digit);
        } else if (digits_ == 0) {
          return Fail("malformed chunk size");
        } else if (c == '\r') {
          phase_ = Phase::kSizeLf;
        } else if (c == ';') {
          phase_ = Phase::kExtension;
        } else {
          return Fail("malformed chunk size");
        }
        ++i;
        break;
      }
      case Phase::kExtension:
        if (++extra_ > kMaxChunkExtra) return Fail("chunk extensions are too large");
        if (c == '\r') {
          phase_ = Phase::kSizeLf;
        } else if (!(kTable[static_cast<uint8_t>(c)] & 2)) {
          return Fail("malformed chunk extension");
        }
        ++i;
        break;
      case Phase::kSizeLf:
        if (c != '\n') return Fail("a chunk's size line does not end in CR LF");
        ++i;
        phase_ = left_ ? Phase::kData : Phase::kTrailer;
        digits_ = line_ = 0;
        break;
      case Phase::kData: {
        size_t take = static_cast<size_t>(std::min<uint64_t>(left_, input.size() - i));
        left_ -= take;
        if (left_ == 0) phase_ = Phase::kDataCr;
        return {State::kPayload, i + take, input.substr(i, take)};
      }
      case Phase::kDataCr:
        if (c != '\r') return Fail("a chunk is longer than its size");
        ++i;
        phase_ = Phase::kDataLf;
        break;
      case Phase::kDataLf:
        if (c != '\n') return Fail("a chunk does not end in CR LF");
        ++i;
        phase_ = Phase::kSize;
        break;
      case Phase::kTrailer:
        if (++extra_ > kMaxChunkExtra) return Fail("trailers are too large");
        if (c == '\r') {
          phase_ = Phase::kTrailerLf;
        } else if (!(kTable[static_cast<uint8_t>(c)] & 2)) {
          return Fail("malformed trailer");
        } else {
          ++line_;
        }
        ++i;
        break;
      case Phase::kTrailerLf:
        if (c != '\n') return Fail("a trailer does not end in CR LF");
        ++i;
        phase_ = line_ == 0 ? Phase::kEnd : Phase::kTrailer;
        line_ = 0;
        break;
      case Phase::kEnd:
      case Phase::kFailed:
        return {State::kError, i, {}};
    }
  }
  return {State::kNeedMore, i, {}};
}

}  // namespace kinglet::http
