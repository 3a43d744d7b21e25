#include "runtimes/pickle/file.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace kinglet::runtimes::pickle {
namespace {

constexpr size_t kChunk = size_t{1} << 18;

enum class Progress { kMore, kDone, kFailed };

// Collects output up to a bound, and says what happens beyond it.
class Output {
 public:
  explicit Output(size_t limit) : limit_(limit) {}

  Status Append(const char* data, size_t size) {
    if (size > limit_ - text_.size()) {
      return Fail(Code::kInvalidArgument,
                  "refused: the compressed file grows beyond {} bytes, far more than its size "
                  "allows for a model",
                  limit_);
    }
    text_.append(data, size);
    return {};
  }
  std::string Take() { return std::move(text_); }

 private:
  size_t limit_;
  std::string text_;
};

// Calls step(input, input left, output, output room) -> how much of each was used, until it is
// done.
struct Used {
  size_t input;
  size_t output;
  Progress progress;
};

template <class Step>
Result<std::string> Inflate(std::string_view in, size_t limit, std::string_view what, Step step) {
  Output output(limit);
  std::vector<char> chunk(kChunk);
  while (true) {
    const Used used = step(in, chunk);
    if (used.progress == Progress::kFailed) {
      return Fail(Code::kInvalidArgument, "the {} data of the file is damaged", what);
    }
    in.remove_prefix(used.input);
    KINGLET_RETURN_IF_ERROR(output.Append(chunk.data(), used.output));
    if (used.progress == Progress::kDone) return output.Take();
    if (used.input == 0 && used.output == 0) {
      return Fail(Code::kInvalidArgument, "the {} data of the file ends early", what);
    }
  }
}

unsigned ClampToUnsigned(size_t size) {
  return static_cast<unsigned>(std::min<size_t>(size, std::numeric_limits<unsigned>::max() / 2));
}

Result<std::string> InflateZlib(std::string_view in, size_t limit) {
  z_stream stream = {};
  // 32: zlib and gzip by their header.
  if (inflateInit2(&stream, 15 + 32) != Z_OK) return Fail(Code::kInternal, "zlib does not start");
  auto result = Inflate(in, limit, "zlib", [&](std::string_view input, std::vector<char>& chunk) {
    const unsigned available = ClampToUnsigned(input.size());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream.avail_in = available;
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<unsigned>(chunk.size());
    const int rc = inflate(&stream, Z_NO_FLUSH);
    const Progress progress = rc == Z_STREAM_END                ? Progress::kDone
                              : rc == Z_OK || rc == Z_BUF_ERROR ? Progress::kMore
                                                                : Progress::kFailed;
    return Used{available - stream.avail_in, chunk.size() - stream.avail_out, progress};
  });
  inflateEnd(&stream);
  return result;
}

Result<std::string> InflateBzip2(std::string_view in, size_t limit) {
  bz_stream stream = {};
  if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) {
    return Fail(Code::kInternal, "bzip2 does not start");
  }
  auto result = Inflate(in, limit, "bzip2", [&](std::string_view input, std::vector<char>& chunk) {
    const unsigned available = ClampToUnsigned(input.size());
    stream.next_in = const_cast<char*>(input.data());
    stream.avail_in = available;
    stream.next_out = chunk.data();
    stream.avail_out = static_cast<unsigned>(chunk.size());
    const int rc = BZ2_bzDecompress(&stream);
    const Progress progress = rc == BZ_STREAM_END ? Progress::kDone
                              : rc == BZ_OK       ? Progress::kMore
                                                  : Progress::kFailed;
    return Used{available - stream.avail_in, chunk.size() - stream.avail_out, progress};
  });
  BZ2_bzDecompressEnd(&stream);
  return result;
}

// .xz and the older .lzma ("alone") format.
Result<std::string> InflateLzma(std::string_view in, size_t limit) {
  lzma_stream stream = LZMA_STREAM_INIT;
  constexpr uint64_t kMemory = uint64_t{96} << 20;  // the largest dictionary, of `xz -9`, is 64 MiB
  if (lzma_auto_decoder(&stream, kMemory, 0) != LZMA_OK) {
    return Fail(Code::kInternal, "liblzma does not start");
  }
  auto result = Inflate(in, limit, "lzma", [&](std::string_view input, std::vector<char>& chunk) {
    stream.next_in = reinterpret_cast<const uint8_t*>(input.data());
    stream.avail_in = input.size();
    stream.next_out = reinterpret_cast<uint8_t*>(chunk.data());
    stream.avail_out = chunk.size();
    const lzma_ret rc = lzma_code(&stream, input.empty() ? LZMA_FINISH : LZMA_RUN);
    const Progress progress = rc == LZMA_STREAM_END                   ? Progress::kDone
                              : rc == LZMA_OK || rc == LZMA_BUF_ERROR ? Progress::kMore
                                                                      : Progress::kFailed;
    return Used{input.size() - stream.avail_in, chunk.size() - stream.avail_out, progress};
  });
  lzma_end(&stream);
  return result;
}

Result<std::string> InflateLz4(std::string_view in, size_t limit) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0) {
    return Fail(Code::kInternal, "lz4 does not start");
  }
  auto result = Inflate(in, limit, "lz4", [&](std::string_view input, std::vector<char>& chunk) {
    size_t taken = input.size();
    size_t given = chunk.size();
    const size_t rc = LZ4F_decompress(context, chunk.data(), &given, input.data(), &taken, nullptr);
    const Progress progress = LZ4F_isError(rc) != 0 ? Progress::kFailed
                              : rc == 0             ? Progress::kDone
                                                    : Progress::kMore;
    return Used{taken, given, progress};
  });
  LZ4F_freeDecompressionContext(context);
  return result;
}

using Inflater = Result<std::string> (*)(std::string_view in, size_t limit);

// Null: not compressed.
Inflater InflaterOf(std::string_view in) {
  // No pickle begins with these: 'x', 'B' and ']' followed so are not what picklers write first.
  if (in.starts_with("\x78\x01") || in.starts_with("\x78\x5e") || in.starts_with("\x78\x9c") ||
      in.starts_with("\x78\xda") || in.starts_with("\x1f\x8b")) {
    return InflateZlib;
  }
  if (in.starts_with("BZh")) return InflateBzip2;
  if (in.starts_with(std::string_view("\xfd\x37zXZ\0", 6)) ||
      in.starts_with(std::string_view("\x5d\0\0", 3))) {
    return InflateLzma;
  }
  return in.starts_with("\x04\x22\x4d\x18") ? InflateLz4 : nullptr;
}

// What a compressed file of a size may become.
size_t LimitOf(size_t size) {
  constexpr size_t kBase = size_t{16} << 20, kRatio = 256, kMost = size_t{8} << 30;
  return std::min(kBase + kRatio * std::min(size, kMost / kRatio), kMost);
}

}  // namespace

Result<std::string> Decompress(std::string bytes, Budget& budget) {
  const std::string_view in = bytes;
  if (in.starts_with("ZF0x")) {
    return Fail(Code::kUnimplemented,
                "the file was written by joblib before 0.10; load it with that joblib and save it "
                "again with joblib 0.10 or newer");
  }
  const auto inflate = InflaterOf(in);
  if (inflate == nullptr) return bytes;
  KINGLET_TRY(std::string plain, inflate(in, LimitOf(in.size())));
  budget.Decompressed(plain.size());
  return plain;
}

}  // namespace kinglet::runtimes::pickle
