// A file's bytes: mapped, or in memory.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet::runtimes::pickle {

// Move-only. A view of short ones does not outlive a move.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::string text) : text_(std::move(text)) {}  // NOLINT: bytes are bytes
  Bytes(Bytes&& other) noexcept { *this = std::move(other); }
  Bytes& operator=(Bytes&& other) noexcept;
  ~Bytes();

  // A large file is mapped, not read: pages of a model that is read once are not worth zeroing and
  // copying. Whoever shortens a file in place while it is being loaded ends the process, as with
  // every mapped file; replacing it (rename) is safe. kNotFound or kInvalidArgument where it cannot
  // be read.
  static Result<Bytes> OfFile(const std::filesystem::path& file);

  std::string_view view() const {
    return mapped_ != nullptr ? std::string_view(mapped_, size_) : std::string_view(text_);
  }
  size_t size() const { return view().size(); }

 private:
  std::string text_;
  const char* mapped_ = nullptr;
  size_t size_ = 0;
};

}  // namespace kinglet::runtimes::pickle
