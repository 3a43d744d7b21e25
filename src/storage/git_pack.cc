#include "storage/git_pack.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>
#include <map>
#include <optional>

#include "base/encoding.h"
#include "base/file.h"
#include "base/text.h"
#include "storage/limits.h"

namespace kinglet::storage {

namespace {

constexpr size_t kBuffer = 256 << 10;
constexpr size_t kMaxWhole = size_t{512} << 20;  // Git makes no deltas of larger objects
constexpr int kMaxDeltas = 4096;                 // in one chain
constexpr int kMaxDepth = 200;                   // of folders
constexpr size_t kDigest = 20;
constexpr size_t kMaxLinkTarget = 4096;  // as the kernel's
// What undoing deltas and walking trees may cost, in bytes made: in proportion to what the server
// had to send, so that a small pack cannot keep the program busy for hours. Git's own packs with
// chains of 50 deltas need a tenth of it.
constexpr uint64_t kFreeWork = uint64_t{8} << 30;
constexpr uint64_t kWorkPerByte = 1000;
constexpr uint64_t kWorkPerStep = 64;  // of a chain or a tree, besides its bytes

enum Type { kCommit = 1, kTree = 2, kBlob = 3, kTag = 4, kOffsetDelta = 6, kNamedDelta = 7 };

const char* TypeName(int type) {
  return type == kCommit ? "commit" : type == kTree ? "tree" : type == kTag ? "tag" : "blob";
}

Unexpected Malformed(std::string_view why) {
  return Fail(Code::kInvalidArgument, "Git: the server's pack is malformed: {}", why);
}

Status PutAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Unexpected(ErrnoError("Git: write", errno));
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

// A file as memory.
class Mapped {
 public:
  explicit Mapped(int fd) {
    struct stat info{};
    if (fstat(fd, &info) != 0 || info.st_size == 0) return;
    size_ = static_cast<size_t>(info.st_size);
    data_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data_ == MAP_FAILED) size_ = 0;
  }
  ~Mapped() {
    if (size_) munmap(data_, size_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

struct Entry {
  int type = 0;
  uint64_t size = 0;      // inflated
  size_t data = 0;        // where the zlib stream begins
  size_t base = 0;        // of an offset delta: where the base's entry begins
  std::string base_name;  // of a named delta
};

class Pack {
 public:
  Pack(std::string_view bytes, const ArchiveLimits& limits, std::stop_token stop)
      : bytes_(bytes),
        limits_(Together(limits, bytes.size())),
        stop_(std::move(stop)),
        work_(std::max(kFreeWork, bytes.size() * kWorkPerByte)) {}

  // Finds all entries and their names.
  Status Index() {
    if (bytes_.size() < 12 + kDigest || !bytes_.starts_with("PACK")) return Malformed("no pack");
    uint32_t count = Big32(8);
    if (Big32(4) != 2) return Malformed("an unknown version");
    if (count > limits_.max_entries) return Malformed("too many objects");
    end_ = bytes_.size() - kDigest;
    Digest whole("sha1");
    whole.Update(bytes_.substr(0, end_));
    if (whole.Finish() != bytes_.substr(end_)) {
      return Fail(Code::kDataLoss, "Git: the pack's checksum is wrong");
    }
    size_t at = 12;
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (stop_.stop_requested()) return Fail(Code::kCancelled, "stopped");
      size_t begin = at;
      KINGLET_TRY(Entry entry, Head(at));
      total += entry.size;
      if (entry.size > limits_.max_total_bytes || total > limits_.max_total_bytes) {
        return Fail(Code::kResourceExhausted, "Git: the repository is over {} bytes",
                    limits_.max_total_bytes);
      }
      bool delta = entry.type == kOffsetDelta || entry.type == kNamedDelta;
      Digest digest("sha1");
      digest.Update(fmt::format("{} {}", TypeName(entry.type), entry.size) + '\0');
      KINGLET_TRY(at, Inflate(entry, [&](std::string_view piece) -> Status {
                    if (!delta) digest.Update(piece);
                    return {};
                  }));
      if (!delta) names_[digest.Finish()] = begin;
      if (delta) deltas_.push_back(begin);
      entries_.emplace(begin, std::move(entry));
    }
    return NameDeltas();
  }

  // The entry of that name and its type.
  Result<size_t> Find(std::string_view name, int type) {
    auto it = names_.find(name);
    if (it == names_.end()) return Malformed(fmt::format("{} is missing", HexEncode(name)));
    KINGLET_TRY(int actual, RealType(it->second));
    if (actual != type)
      return Malformed(fmt::format("{} is no {}", HexEncode(name), TypeName(type)));
    return it->second;
  }

  // kResourceExhausted when the pack costs more work than it may.
  Status Spend(uint64_t bytes) {
    if (stop_.stop_requested()) return Fail(Code::kCancelled, "stopped");
    if (bytes + kWorkPerStep > work_) {
      return Fail(Code::kResourceExhausted, "Git: the repository is refused as a bomb");
    }
    work_ -= bytes + kWorkPerStep;
    return {};
  }

  // Of the files that are written, all together.
  const ArchiveLimits& limits() const { return limits_; }

  // The whole object in memory.
  Result<std::string> Content(size_t at) {
    std::vector<const Entry*> chain;
    for (;; at = *BaseOf(*chain.back())) {
      KINGLET_RETURN_IF_ERROR(Spend(0));
      auto it = entries_.find(at);
      if (it == entries_.end()) return Malformed("a delta of something that is not there");
      chain.push_back(&it->second);
      if (chain.size() > kMaxDeltas) return Malformed("a chain of deltas without an end");
      bool delta = it->second.type == kOffsetDelta || it->second.type == kNamedDelta;
      if (!delta) break;
      if (!BaseOf(it->second)) return Malformed("a delta of something that is not there");
    }
    KINGLET_RETURN_IF_ERROR(Spend(chain.back()->size));
    KINGLET_TRY(std::string content, Bytes(*chain.back()));
    for (size_t i = chain.size() - 1; i-- > 0;) {
      KINGLET_RETURN_IF_ERROR(Spend(chain[i]->size));
      KINGLET_TRY(std::string delta, Bytes(*chain[i]));
      KINGLET_TRY(content, Apply(content, delta));
      KINGLET_RETURN_IF_ERROR(Spend(content.size()));
    }
    return content;
  }

  // Writes a file's content; large ones that are no deltas never lie in memory.
  Result<uint64_t> Write(size_t at, int fd) {
    const Entry& entry = entries_.at(at);
    if (entry.type == kBlob) {
      KINGLET_RETURN_IF_ERROR(
          Inflate(entry, [&](std::string_view piece) { return PutAll(fd, piece); }));
      return entry.size;
    }
    KINGLET_TRY(std::string content, Content(at));
    KINGLET_RETURN_IF_ERROR(PutAll(fd, content));
    return content.size();
  }

 private:
  uint32_t Big32(size_t at) const {
    auto* p = reinterpret_cast<const unsigned char*>(bytes_.data()) + at;
    return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
  }

  Result<uint8_t> Byte(size_t& at) const {
    if (at >= end_) return Malformed("it ends inside an object");
    return static_cast<uint8_t>(bytes_[at++]);
  }

  Result<Entry> Head(size_t at) const {
    size_t begin = at;
    Entry entry;
    KINGLET_TRY(uint8_t byte, Byte(at));
    entry.type = (byte >> 4) & 7;
    entry.size = byte & 15;
    for (int shift = 4; byte & 0x80; shift += 7) {
      if (shift > 56) return Malformed("a size that is too large");
      KINGLET_TRY(byte, Byte(at));
      entry.size |= uint64_t{byte & 0x7fu} << shift;
    }
    if (entry.type == kOffsetDelta) {
      KINGLET_TRY(byte, Byte(at));
      uint64_t back = byte & 0x7f;
      while (byte & 0x80) {
        if (back >> 48) return Malformed("an offset that is too large");
        KINGLET_TRY(byte, Byte(at));
        back = ((back + 1) << 7) | (byte & 0x7f);
      }
      if (back == 0 || back > begin) return Malformed("a delta of something outside");
      entry.base = begin - back;
    } else if (entry.type == kNamedDelta) {
      if (end_ - at < kDigest) return Malformed("it ends inside an object");
      entry.base_name = bytes_.substr(at, kDigest);
      at += kDigest;
    } else if (entry.type < kCommit || entry.type > kTag) {
      return Malformed("an object of an unknown type");
    }
    entry.data = at;
    return entry;
  }

  // Gives the object's bytes in pieces; where its stream ends.
  Result<size_t> Inflate(const Entry& entry,
                         const std::function<Status(std::string_view)>& take) const {
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK) return Fail(Code::kResourceExhausted, "out of memory");
    std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, inflateEnd);
    auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
    size_t at = entry.data;
    uint64_t done = 0;
    for (int result = Z_OK; result != Z_STREAM_END;) {
      size_t input = std::min<size_t>(end_ - at, size_t{1} << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes_.data() + at));
      stream.avail_in = static_cast<uInt>(input);
      stream.next_out = reinterpret_cast<Bytef*>(buffer.get());
      stream.avail_out = kBuffer;
      result = inflate(&stream, Z_NO_FLUSH);
      size_t made = kBuffer - stream.avail_out;
      at += input - stream.avail_in;
      done += made;
      if ((result != Z_OK && result != Z_STREAM_END) || done > entry.size) {
        return Malformed("an object that cannot be inflated");
      }
      KINGLET_RETURN_IF_ERROR(take({buffer.get(), made}));
    }
    if (done != entry.size) return Malformed("an object of another size");
    return at;
  }

  Result<std::string> Bytes(const Entry& entry) const {
    if (entry.size > kMaxWhole) return Malformed("a delta that is too large");
    std::string content;
    KINGLET_RETURN_IF_ERROR(Inflate(entry, [&](std::string_view piece) -> Status {
      content.append(piece);
      return {};
    }));
    return content;
  }

  std::optional<size_t> BaseOf(const Entry& entry) const {
    if (entry.type == kOffsetDelta) return entry.base;
    auto it = names_.find(entry.base_name);
    if (it == names_.end()) return {};
    return it->second;
  }

  Result<int> RealType(size_t at) {
    for (int hops = 0; hops < kMaxDeltas; ++hops) {
      KINGLET_RETURN_IF_ERROR(Spend(0));
      auto it = entries_.find(at);
      if (it == entries_.end()) return Malformed("a delta of something that is not there");
      if (it->second.type <= kTag) return it->second.type;
      auto base = BaseOf(it->second);
      if (!base) return Malformed("a delta of something that is not there");
      at = *base;
    }
    return Malformed("a chain of deltas without an end");
  }

  // A delta may be of an object whose name is known only after another delta was undone: as many
  // rounds as it takes.
  Status NameDeltas() {
    while (!deltas_.empty()) {
      std::vector<size_t> later;
      for (size_t at : deltas_) {
        if (stop_.stop_requested()) return Fail(Code::kCancelled, "stopped");
        auto type = RealType(at);
        if (!type && type.error().code() != Code::kInvalidArgument) return Unexpected(type.error());
        if (!type) {
          later.push_back(at);
          continue;
        }
        KINGLET_TRY(std::string content, Content(at));
        Digest digest("sha1");
        digest.Update(fmt::format("{} {}", TypeName(*type), content.size()) + '\0');
        digest.Update(content);
        names_[digest.Finish()] = at;
      }
      if (later.size() == deltas_.size())
        return Malformed("a delta of something that is not there");
      deltas_ = std::move(later);
    }
    return {};
  }

  static Result<std::string> Apply(std::string_view base, std::string_view delta) {
    size_t at = 0;
    auto byte = [&]() -> Result<uint8_t> {
      if (at >= delta.size()) return Malformed("a delta that is cut");
      return static_cast<uint8_t>(delta[at++]);
    };
    auto number = [&]() -> Result<uint64_t> {
      uint64_t value = 0;
      for (int shift = 0; shift <= 56; shift += 7) {
        KINGLET_TRY(uint8_t b, byte());
        value |= uint64_t{b & 0x7fu} << shift;
        if (!(b & 0x80)) return value;
      }
      return Malformed("a size that is too large");
    };
    KINGLET_TRY(uint64_t base_size, number());
    KINGLET_TRY(uint64_t size, number());
    if (base_size != base.size() || size > kMaxWhole) return Malformed("a delta of another object");
    std::string result;
    while (at < delta.size()) {
      KINGLET_TRY(uint8_t command, byte());
      if (command & 0x80) {
        uint64_t offset = 0, length = 0;
        for (int i = 0; i < 7; ++i) {
          if (!(command & (1 << i))) continue;
          KINGLET_TRY(uint8_t b, byte());
          (i < 4 ? offset : length) |= uint64_t{b} << (8 * (i < 4 ? i : i - 4));
        }
        if (length == 0) length = 0x10000;
        if (offset > base.size() || length > base.size() - offset) return Malformed("a bad copy");
        result.append(base.substr(offset, length));
      } else {
        if (command == 0 || command > delta.size() - at) return Malformed("a bad insert");
        result.append(delta.substr(at, command));
        at += command;
      }
      if (result.size() > size) return Malformed("a delta that grows too much");
    }
    if (result.size() != size) return Malformed("a delta of another size");
    return result;
  }

  std::string_view bytes_;
  const ArchiveLimits limits_;
  std::stop_token stop_;
  uint64_t work_;  // left
  size_t end_ = 0;
  std::map<size_t, Entry> entries_;                   // by where they begin
  std::map<std::string, size_t, std::less<>> names_;  // raw digests
  std::vector<size_t> deltas_;                        // not named yet
};

class Tree {
 public:
  Tree(Pack& pack, int folder) : pack_(pack), folder_(folder), free_space_(folder) {}

  Status Write(std::string_view name, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) return Malformed("folders that are too deep");
    KINGLET_TRY(size_t at, pack_.Find(name, kTree));
    KINGLET_TRY(std::string content, pack_.Content(at));
    std::string_view rest = content;
    while (!rest.empty()) {
      size_t space = rest.find(' '), zero = rest.find('\0');
      if (space > zero || zero == std::string_view::npos || rest.size() - zero - 1 < kDigest) {
        return Malformed("a tree");
      }
      std::string_view mode = rest.substr(0, space);
      std::string_view file = rest.substr(space + 1, zero - space - 1);
      std::string_view digest = rest.substr(zero + 1, kDigest);
      rest.remove_prefix(zero + 1 + kDigest);
      if (++entries_ > pack_.limits().max_entries) return Malformed("too many files");
      if (file.find('/') != std::string_view::npos) return Malformed("a name with a slash");
      if (AsciiLower(file) == ".git") return Malformed("a file named .git");
      KINGLET_TRY(std::string path, SafePath(prefix + std::string(file)));
      if (mode == "160000") continue;  // a submodule's place
      if (mode == "40000") {
        KINGLET_RETURN_IF_ERROR(Write(digest, path + "/", depth + 1));
        continue;
      }
      KINGLET_RETURN_IF_ERROR(paths_.Add(path));
      KINGLET_TRY(size_t blob, pack_.Find(digest, kBlob));
      if (mode == "120000") {
        KINGLET_TRY(std::string target, pack_.Content(blob));
        if (target.size() > kMaxLinkTarget) return Malformed("a link with a long target");
        links_[path] = std::move(target);
        continue;
      }
      KINGLET_TRY(Fd fd, CreateBeneath(folder_, path, O_WRONLY | O_CREAT | O_EXCL,
                                       mode == "100755" ? 0755 : 0644));
      KINGLET_TRY(uint64_t size, pack_.Write(blob, fd.get()));
      // One object can be many files.
      bytes_ = AddWithoutWrap(bytes_, size);
      if (bytes_ > pack_.limits().max_total_bytes) {
        return Fail(Code::kResourceExhausted, "Git: the repository's files are over {} bytes",
                    pack_.limits().max_total_bytes);
      }
      KINGLET_RETURN_IF_ERROR(free_space_.Take(size));
      files_.push_back({path, size});
    }
    return {};
  }

  // Links come last, so that no file is ever written through one.
  Result<std::vector<StagedFile>> Finish() {
    for (auto& [path, target] : links_) {
      if (target.empty() || target.starts_with('/') || target.find('\0') != std::string::npos) {
        return Fail(Code::kInvalidArgument, "Git: the link {} leads out of the repository: refused",
                    path);
      }
    }
    KINGLET_RETURN_IF_ERROR(CheckLinks(links_));
    for (auto& [path, target] : links_) {
      KINGLET_RETURN_IF_ERROR(MakeFoldersBeneath(folder_, path));
      if (symlinkat(target.c_str(), folder_, path.c_str()) != 0) {
        return Unexpected(ErrnoError(fmt::format("link {}", path), errno));
      }
      files_.push_back({path, 0});
    }
    return std::move(files_);
  }

 private:
  Pack& pack_;
  int folder_;
  FreeSpace free_space_;
  uint64_t entries_ = 0, bytes_ = 0;
  PathSet paths_;
  std::map<std::string, std::string> links_;
  std::vector<StagedFile> files_;
};

}  // namespace

std::string PktLine(std::string_view payload) {
  return fmt::format("{:04x}{}", payload.size() + 4, payload);
}

Result<std::string_view> TakePktLine(std::string_view& text, int* mark) {
  *mark = -1;
  size_t length = 0;
  if (text.size() < 4 ||
      std::from_chars(text.data(), text.data() + 4, length, 16).ptr != text.data() + 4) {
    return Fail(Code::kUnavailable, "Git: the server's answer is cut or is not of the protocol");
  }
  if (length < 4) {
    *mark = static_cast<int>(length);
    text.remove_prefix(4);
    return std::string_view();
  }
  if (length > text.size()) return Fail(Code::kUnavailable, "Git: the server's answer is cut");
  std::string_view payload = text.substr(4, length - 4);
  text.remove_prefix(length);
  return payload;
}

Status DemultiplexPack(int answer, int pack) {
  Mapped mapped(answer);
  std::string_view rest = mapped.bytes();
  bool packfile = false;
  while (!rest.empty()) {
    int mark = 0;
    KINGLET_TRY(std::string_view line, TakePktLine(rest, &mark));
    if (mark >= 0) {
      if (packfile && mark == 0) return {};
      continue;
    }
    if (line.starts_with("ERR ")) return Fail(Code::kUnavailable, "Git: {}", line.substr(4));
    if (!packfile) {
      packfile = line == "packfile\n";
      continue;
    }
    if (line.starts_with('\1')) KINGLET_RETURN_IF_ERROR(PutAll(pack, line.substr(1)));
    if (line.starts_with('\3')) return Fail(Code::kUnavailable, "Git: {}", line.substr(1));
  }
  return Malformed("the answer has no pack or is cut");
}

Result<std::vector<StagedFile>> CheckOut(int pack_file, std::string_view commit, int folder,
                                         const ArchiveLimits& limits, std::stop_token stop) {
  Mapped mapped(pack_file);
  Pack pack(mapped.bytes(), limits, std::move(stop));
  KINGLET_RETURN_IF_ERROR(pack.Index());
  KINGLET_TRY(std::string name, HexDecode(commit));
  KINGLET_TRY(size_t at, pack.Find(name, kCommit));
  KINGLET_TRY(std::string text, pack.Content(at));
  if (!text.starts_with("tree ") || text.size() < 45) return Malformed("a commit without a tree");
  KINGLET_TRY(std::string top, HexDecode(std::string_view(text).substr(5, 40)));
  Tree tree(pack, folder);
  KINGLET_RETURN_IF_ERROR(tree.Write(top, "", 0));
  return tree.Finish();
}

}  // namespace kinglet::storage
