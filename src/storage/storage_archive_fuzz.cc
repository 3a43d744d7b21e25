// Arbitrary bytes as an archive: whatever they are, nothing appears outside the folder.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "storage/archive.h"
#include "storage/path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace fs = std::filesystem;
  char name[] = "/tmp/kinglet-archive-fuzz-XXXXXX";
  if (!mkdtemp(name)) return 0;
  fs::path outer = name, inner = outer / "a/b";
  fs::create_directories(inner);
  kinglet::Fd archive(memfd_create("archive", MFD_CLOEXEC));
  if (write(archive.get(), data, size) != static_cast<ssize_t>(size)) abort();
  lseek(archive.get(), 0, SEEK_SET);
  kinglet::Fd folder(open(inner.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  kinglet::storage::ArchiveLimits limits{.max_entries = 200, .max_total_bytes = 1 << 20};
  (void)kinglet::storage::UnpackArchive(archive.get(), folder.get(), limits);
  auto count = [](const fs::path& path) {
    return std::distance(fs::directory_iterator(path), fs::directory_iterator());
  };
  if (count(outer) != 1 || count(outer / "a") != 1) abort();
  kinglet::storage::RemoveTree(name);
  return 0;
}
