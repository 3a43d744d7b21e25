#include "storage/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

namespace kinglet::storage {

namespace {

std::string BootId() {
  auto text = ReadFile("/proc/sys/kernel/random/boot_id", 100);
  if (!text) return "unknown";
  while (text->ends_with('\n')) text->pop_back();
  return *text;
}

}  // namespace

Result<Journal> Journal::Open(const std::string& folder, std::string_view digest, bool* resumed) {
  std::string path = folder + "/journal";
  std::string header = fmt::format("kinglet-journal 1 {} {}\n", digest, BootId());
  std::set<std::pair<size_t, size_t>> done;
  auto text = ReadFile(path, size_t{1} << 30);
  *resumed = text && text->starts_with(header);
  size_t good = header.size();
  if (*resumed) {
    std::string_view rest = std::string_view(*text).substr(header.size());
    while (true) {
      size_t end = rest.find('\n');
      if (end == std::string_view::npos) break;
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      good += end + 1;
      size_t file = 0, chunk = 0;
      const char* last = line.data() + line.size();
      auto [middle, error] = std::from_chars(line.data(), last, file);
      if (error != std::errc() || middle == last) continue;
      if (std::string_view(middle, static_cast<size_t>(last - middle)) == " -") {
        done.erase(done.lower_bound({file, 0}), done.upper_bound({file, SIZE_MAX}));
      } else if (std::from_chars(middle + 1, last, chunk).ec == std::errc()) {
        done.emplace(file, chunk);
      }
    }
  }
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (*resumed ? 0 : O_TRUNC),
               0644));
  if (!file) return Unexpected(ErrnoError(fmt::format("open {}", path), errno));
  Journal journal(std::move(file), std::move(done));
  if (!*resumed) {
    KINGLET_RETURN_IF_ERROR(journal.Append(header));
  } else if (ftruncate(journal.file_.get(), static_cast<off_t>(good)) != 0) {
    return Unexpected(ErrnoError(fmt::format("truncate {}", path), errno));
  }
  return journal;
}

Status Journal::Append(const std::string& line) {
  std::lock_guard lock(mutex_);
  ssize_t put = write(file_.get(), line.data(), line.size());
  if (put == static_cast<ssize_t>(line.size())) return {};
  return Unexpected(ErrnoError("write the download's journal", put < 0 ? errno : ENOSPC));
}

Status Journal::Add(size_t file, size_t chunk) {
  return Append(fmt::format("{} {}\n", file, chunk));
}

Status Journal::Forget(size_t file) { return Append(fmt::format("{} -\n", file)); }

}  // namespace kinglet::storage
