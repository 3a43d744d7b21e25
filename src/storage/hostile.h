// For tests: builders of archives that no honest tool writes, byte by byte, and a world around a
// destination in which whatever leaves it is seen.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "storage/testing.h"

namespace kinglet::storage::hostile {

// One header of a tar and what follows it. Fields are written as they are.
struct TarEntry {
  std::string name;
  std::string content;
  char type = '0';
  std::string link = {};
  std::string prefix = {};
  std::string size = {};  // the field's 12 bytes; of the content by default
  std::string mode = "0000644";
  std::string magic = std::string("ustar\00000", 8);
  std::string tail = {};  // from byte 345 on: an old GNU sparse map
  bool wrong_sum = false;
};

inline std::string TarBlock(const TarEntry& e) {
  std::string block(512, '\0');
  auto put = [&](size_t at, size_t room, std::string_view text) {
    block.replace(at, std::min(room, text.size()), text.substr(0, room));
  };
  put(0, 100, e.name);
  put(100, 8, e.mode);
  put(108, 8, "0000000");
  put(116, 8, "0000000");
  put(124, 12, e.size.empty() ? fmt::format("{:011o}", e.content.size()) : e.size);
  put(136, 12, "00000000000");
  block[156] = e.type;
  put(157, 100, e.link);
  put(257, 8, e.magic);
  put(345, 155, e.prefix);
  if (!e.tail.empty()) put(345, 167, e.tail);
  put(148, 8, "        ");
  unsigned sum = e.wrong_sum ? 1 : 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  put(148, 8, fmt::format("{:06o}", sum) + std::string(1, '\0') + " ");
  return block;
}

inline std::string Tar(const std::vector<TarEntry>& entries) {
  std::string bytes;
  for (const TarEntry& e : entries) {
    bytes += TarBlock(e) + e.content;
    bytes.resize((bytes.size() + 511) / 512 * 512);
  }
  return bytes + std::string(1024, '\0');
}

// Records of a pax header with their lengths right.
inline std::string PaxRecord(std::string_view key, std::string_view value) {
  size_t length = key.size() + value.size() + 3, digits = 1;
  while (std::to_string(length + digits).size() != digits) ++digits;
  return fmt::format("{} {}={}\n", length + digits, key, value);
}
inline TarEntry Pax(std::string records, char type = 'x') {
  return {.name = "pax", .content = std::move(records), .type = type};
}
inline TarEntry LongName(std::string name, char type = 'L') {
  name.push_back('\0');
  return {.name = "././@LongLink",
          .content = std::move(name),
          .type = type,
          .magic = std::string("ustar  \0", 8)};
}
// A size field in GNU's base 256.
inline std::string Base256(uint64_t value, bool negative = false) {
  std::string field(12, negative ? '\xff' : '\0');
  field[0] = negative ? '\xff' : '\x80';
  for (int i = 0; i < 8; ++i)
    field[static_cast<size_t>(11 - i)] = static_cast<char>(value >> (8 * i));
  return field;
}

// One member of a gzip file (window_bits 31) or a raw deflate stream (-15).
inline std::string Deflate(std::string_view plain, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}
inline std::string Gzip(std::string_view plain) { return Deflate(plain, 31); }

inline std::string Little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

// One file of a zip; the local header says what the central one does unless told otherwise.
struct ZipEntry {
  std::string name;
  std::string content;
  bool deflated = false;
  unsigned flags = 0;
  int method = -1;  // overrides
  uint32_t attributes = 0100644u << 16;
  std::string local_name = {};
  std::string extra = {}, local_extra = {};
  int64_t packed_size = -1, size = -1, crc = -1;  // lies of both headers
  int64_t offset = -1;                            // lie of the central one
  std::string after = {};                         // a data descriptor
  bool sizes_later = false;                       // zeros in the local header
};

struct ZipEnd {
  int entries = -1;
  int64_t offset = -1;
  std::string comment = {};
  int comment_size = -1;
  std::string before = {};  // zip64's end records
};

inline std::string Zip(const std::vector<ZipEntry>& entries, const ZipEnd& end = {}) {
  std::string bytes, central;
  for (const ZipEntry& e : entries) {
    std::string data = e.deflated ? Deflate(e.content, -15) : e.content;
    auto real_crc = crc32(0, reinterpret_cast<const Bytef*>(e.content.data()),
                          static_cast<uInt>(e.content.size()));
    auto crc = static_cast<uint64_t>(e.crc < 0 ? static_cast<int64_t>(real_crc) : e.crc);
    auto packed = static_cast<uint64_t>(e.packed_size < 0 ? static_cast<int64_t>(data.size())
                                                          : e.packed_size);
    auto size = static_cast<uint64_t>(e.size < 0 ? static_cast<int64_t>(e.content.size()) : e.size);
    int method = e.method >= 0 ? e.method : e.deflated ? 8 : 0;
    auto common = [&](bool zero) {
      return Little(e.flags, 2) + Little(static_cast<uint64_t>(method), 2) + Little(0, 4) +
             (zero ? std::string(12, '\0') : Little(crc, 4) + Little(packed, 4) + Little(size, 4));
    };
    auto offset =
        static_cast<uint64_t>(e.offset < 0 ? static_cast<int64_t>(bytes.size()) : e.offset);
    const std::string& local_name = e.local_name.empty() ? e.name : e.local_name;
    bytes += "PK\x03\x04" + Little(20, 2) + common(e.sizes_later) + Little(local_name.size(), 2) +
             Little(e.local_extra.size(), 2) + local_name + e.local_extra + data + e.after;
    central += "PK\x01\x02" + Little(0x0314, 2) + Little(20, 2) + common(false) +
               Little(e.name.size(), 2) + Little(e.extra.size(), 2) + Little(0, 6) +
               Little(e.attributes, 4) + Little(offset, 4) + e.name + e.extra;
    // (comment length, disk and internal attributes are the six zero bytes)
  }
  uint64_t at = end.offset < 0 ? bytes.size() : static_cast<uint64_t>(end.offset);
  uint64_t count = end.entries < 0 ? entries.size() : static_cast<uint64_t>(end.entries);
  uint64_t comment =
      end.comment_size < 0 ? end.comment.size() : static_cast<uint64_t>(end.comment_size);
  return bytes + central + end.before + "PK\x05\x06" + Little(0, 4) + Little(count, 2) +
         Little(count, 2) + Little(central.size(), 4) + Little(at, 4) + Little(comment, 2) +
         end.comment;
}

// What must come of it.
enum class Expect {
  kRefused,    // a clear error and nothing to see
  kContained,  // taken, and all of it lies in the destination
};

struct Case {
  std::string what;
  std::string bytes;
  Expect expect = Expect::kRefused;
  std::string says = {};  // part of the error
};

// <root>/w/in/model is the destination; everything around it is watched.
class WorldFixture : public DownloadFixture {
 protected:
  void SetUp() override {
    DownloadFixture::SetUp();
    options_.archive = {.max_entries = 500,
                        .max_total_bytes = 8 << 20,
                        .max_ratio = 50,
                        .ratio_free_bytes = 1 << 20};
    options_.fetch.max_failures = 2;
    std::filesystem::create_directories(world_ / "in");
    std::filesystem::create_directories(world_ / "dir");
    for (const char* name : {"secret", "in/secret", "dir/file"}) {
      ASSERT_TRUE(WriteFileAtomic(world_ / name, "untouched"));
    }
    std::filesystem::create_symlink("dir", world_ / "link");
  }

  using Tree = std::map<std::string, std::string>;

  // Every entry beneath `folder` with its kind, mode and content; without what a staging folder
  // holds, which a next run continues or removes.
  static Tree Look(const std::filesystem::path& folder) {
    Tree tree;
    auto it = std::filesystem::recursive_directory_iterator(folder);
    for (; it != std::filesystem::recursive_directory_iterator(); ++it) {
      std::string name = it->path().filename();
      if (name.find(".kinglet-staging") != std::string::npos) {
        it.disable_recursion_pending();
        continue;
      }
      struct stat info{};
      lstat(it->path().c_str(), &info);
      std::string content;
      if (S_ISREG(info.st_mode)) content = ReadFile(it->path()).value_or("?");
      if (S_ISLNK(info.st_mode)) content = std::filesystem::read_symlink(it->path());
      tree[it->path().lexically_relative(folder)] = fmt::format(
          "{:o} {} {}", info.st_mode, S_ISDIR(info.st_mode) ? 0 : info.st_nlink, content);
    }
    return tree;
  }

  // Downloads into a new folder and into one with content, and looks at what came of it.
  void Try(const std::string& uri, const Case& c) {
    SCOPED_TRACE(c.what);
    for (bool inside : {false, true}) {
      SCOPED_TRACE(inside ? "into a folder with content" : "into a new folder");
      RemoveTree(to_);
      if (inside) {
        std::filesystem::create_directory(to_);
        ASSERT_TRUE(WriteFileAtomic(to_ / "mine", "kept"));
      }
      Tree before = Look(world_);
      auto result = Download(uri, to_, options_);
      Tree after = Look(world_);
      if (result) {
        CheckContained(after);
        std::erase_if(after, [](auto& entry) { return entry.first.starts_with("in/model"); });
        std::erase_if(before, [](auto& entry) { return entry.first.starts_with("in/model"); });
        if (inside) EXPECT_EQ(ReadFile(to_ / "mine").value_or(""), "kept");
      } else {
        EXPECT_GT(result.error().message().size(), 10u);
        EXPECT_EQ(result.error().message().find('\0'), std::string::npos);
        if (!c.says.empty()) {
          EXPECT_NE(result.error().message().find(c.says), std::string::npos)
              << result.error().message();
        }
      }
      EXPECT_EQ(after, before);
      EXPECT_EQ(result.has_value(), c.expect == Expect::kContained)
          << (result ? "was taken" : result.error().message());
      RemoveTree(to_);
      RemoveTree(world_ / "in/.model.kinglet-staging");
    }
    ++tried_;
  }

  // Only files, folders and links that stay; nothing that runs as somebody else.
  void CheckContained(const Tree& tree) {
    for (auto& [name, what] : tree) {
      if (!name.starts_with("in/model/")) continue;
      struct stat info{};
      ASSERT_EQ(lstat((world_ / name).c_str(), &info), 0);
      EXPECT_TRUE(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode)) << name;
      if (S_ISLNK(info.st_mode)) {
        auto real = std::filesystem::weakly_canonical(world_ / name);
        EXPECT_TRUE(real.string().starts_with(std::filesystem::canonical(to_).string())) << name;
        continue;
      }
      EXPECT_EQ(info.st_mode & 07000, 0u) << name;
      EXPECT_TRUE(info.st_mode & 0400) << name;
      if (S_ISREG(info.st_mode)) EXPECT_EQ(info.st_nlink, 1u) << name;
    }
  }

  const std::filesystem::path world_ = root_ / "w";
  const std::filesystem::path to_ = world_ / "in/model";
  int tried_ = 0;
};

}  // namespace kinglet::storage::hostile
