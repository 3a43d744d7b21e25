#include "storage/file_hash.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>

namespace kinglet::storage {

namespace {

constexpr size_t kSlices = 8;
constexpr size_t kFirstBuffer = 32;  // of Hadoop's DataOutputBuffer

using Tables = std::array<std::array<uint64_t, 256>, kSlices>;

constexpr Tables MakeTables() {
  constexpr uint64_t kPolynomial = 0x9a6c9329ac4bc9b5;  // reflected
  Tables tables{};
  for (uint64_t i = 0; i < 256; ++i) {
    uint64_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (kPolynomial & (0 - (value & 1)));
    tables[0][i] = value;
  }
  for (size_t i = 0; i < 256; ++i) {
    for (size_t slice = 1; slice < kSlices; ++slice) {
      uint64_t before = tables[slice - 1][i];
      tables[slice][i] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

uint32_t Crc32(std::string_view bytes, uint32_t crc) {
  return static_cast<uint32_t>(
      crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

template <class T>
std::string BigEndian(T value) {
  std::string bytes(sizeof value, '\0');
  for (auto it = bytes.rbegin(); it != bytes.rend(); ++it, value = static_cast<T>(value >> 8)) {
    *it = static_cast<char>(value & 0xff);
  }
  return bytes;
}

template <class T>
class Crc final : public FileHash {
 public:
  explicit Crc(T (*add)(std::string_view, T)) : add_(add) {}
  void Update(std::string_view bytes) override { crc_ = add_(bytes, crc_); }
  std::string Finish() override { return BigEndian(crc_); }

 private:
  T (*add_)(std::string_view, T);
  T crc_ = 0;
};

class Whole final : public FileHash {
 public:
  explicit Whole(std::string_view algorithm, std::string_view before = {}) : digest_(algorithm) {
    digest_.Update(before);
  }
  void Update(std::string_view bytes) override { digest_.Update(bytes); }
  std::string Finish() override { return digest_.Finish(); }

 private:
  Digest digest_;
};

// Cuts what comes into pieces of one size. The last may be shorter; there is always one.
class Pieces {
 public:
  explicit Pieces(uint64_t size) : size_(size) {}
  // `add(bytes)` for bytes of a piece, `end()` when more follows a whole one.
  template <class Add, class End>
  void Cut(std::string_view bytes, Add add, End end) {
    while (!bytes.empty()) {
      if (at_ == size_) {
        end();
        at_ = 0;
      }
      std::string_view piece = bytes.substr(0, std::min<uint64_t>(bytes.size(), size_ - at_));
      add(piece);
      at_ += piece.size();
      bytes.remove_prefix(piece.size());
    }
  }

 private:
  uint64_t size_, at_ = 0;
};

// The MD5 of the parts' MD5s.
class OfParts final : public FileHash {
 public:
  explicit OfParts(uint64_t part_size) : parts_(part_size) {}
  void Update(std::string_view bytes) override {
    parts_.Cut(bytes, [&](std::string_view b) { part_.Update(b); }, [&] { EndPart(); });
  }
  std::string Finish() override {
    EndPart();
    return all_.Finish();
  }

 private:
  void EndPart() {
    all_.Update(part_.Finish());
    part_ = Digest("md5");
  }
  Pieces parts_;
  Digest part_{"md5"}, all_{"md5"};
};

// The MD5 of the blocks' MD5s, each of the CRCs of its cells. Hadoop takes the former over all of
// its buffer, whose size is doubled from 32 until the MD5s fit; the rest are zeros.
class OfBlocks final : public FileHash {
 public:
  OfBlocks(uint64_t block_size, uint64_t cell_size, uint32_t (*crc)(std::string_view, uint32_t))
      : blocks_(block_size), cells_(cell_size), cell_size_(cell_size), crc_(crc) {}
  void Update(std::string_view bytes) override {
    blocks_.Cut(
        bytes,
        [&](std::string_view block) {
          cells_.Cut(
              block, [&](std::string_view cell) { cell_ = crc_(cell, cell_); }, [&] { EndCell(); });
        },
        [&] { EndBlock(); });
  }
  std::string Finish() override {
    EndBlock();
    all_.resize(std::max(kFirstBuffer, std::bit_ceil(all_.size())));
    Digest digest("md5");
    digest.Update(all_);
    return digest.Finish();
  }

 private:
  void EndCell() {
    block_.Update(BigEndian(cell_));
    cell_ = 0;
  }
  void EndBlock() {
    EndCell();
    cells_ = Pieces(cell_size_);
    all_ += block_.Finish();
    block_ = Digest("md5");
  }
  Pieces blocks_, cells_;
  uint64_t cell_size_;
  uint32_t (*crc_)(std::string_view, uint32_t);
  uint32_t cell_ = 0;
  Digest block_{"md5"};
  std::string all_;
};

}  // namespace

uint64_t Crc64Nvme(std::string_view bytes, uint64_t crc) {
  static constexpr Tables kTables = MakeTables();
  uint64_t state = ~crc;
  auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kSlices; left -= kSlices, p += kSlices) {
    uint64_t word = 0;
    __builtin_memcpy(&word, p, kSlices);
    state ^= word;  // little-endian machines, as the build's floor says
    uint64_t next = 0;
    for (size_t i = 0; i < kSlices; ++i) {
      next ^= kTables[kSlices - 1 - i][(state >> (8 * i)) & 0xff];
    }
    state = next;
  }
  for (; left > 0; --left, ++p) state = (state >> 8) ^ kTables[0][(state ^ *p) & 0xff];
  return ~state;
}

std::unique_ptr<FileHash> FileHash::Make(const Checksum& checksum, uint64_t size) {
  const std::string& name = checksum.algorithm;
  uint64_t part = checksum.part_size ? checksum.part_size : std::max<uint64_t>(size, 1);
  if (name == "crc32") return std::make_unique<Crc<uint32_t>>(Crc32);
  if (name == "crc32c") return std::make_unique<Crc<uint32_t>>(Crc32c);
  if (name == "crc64nvme") return std::make_unique<Crc<uint64_t>>(Crc64Nvme);
  if (name == "md5-of-md5") return std::make_unique<OfParts>(part);
  if (name == "hdfs-crc32" || name == "hdfs-crc32c") {
    return std::make_unique<OfBlocks>(part, std::max<uint64_t>(checksum.cell_size, 1),
                                      name == "hdfs-crc32" ? Crc32 : Crc32c);
  }
  if (name == "git-blob") {  // Git's name of a file: SHA-1 over a head and it
    return std::make_unique<Whole>("sha1", fmt::format("blob {}", size) + '\0');
  }
  return std::make_unique<Whole>(name);
}

}  // namespace kinglet::storage
