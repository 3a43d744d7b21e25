// Arbitrary bytes as a server's answer to a fetch, and as a pack: nothing appears outside the
// folder.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "base/encoding.h"
#include "storage/git_pack.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  using namespace kinglet::storage;
  if (size < 20) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Fd answer(memfd_create("answer", MFD_CLOEXEC)), pack(memfd_create("pack", MFD_CLOEXEC));
  if (write(answer.get(), data, size) < 0) abort();
  (void)DemultiplexPack(answer.get(), pack.get());
  // As a pack with the right checksum, so that what is inside is reached; the commit's name is the
  // first bytes.
  std::string commit = HexEncode(text.substr(0, 20));
  std::string bytes = "PACK" + std::string("\0\0\0\2", 4) + std::string(text.substr(20));
  Digest digest("sha1");
  digest.Update(bytes);
  bytes += digest.Finish();
  Fd whole(memfd_create("whole", MFD_CLOEXEC));
  if (write(whole.get(), bytes.data(), bytes.size()) < 0) abort();
  char name[] = "/tmp/kinglet-git-fuzz-XXXXXX";
  if (!mkdtemp(name)) return 0;
  std::filesystem::create_directory(std::string(name) + "/in");
  {
    Fd folder(open((std::string(name) + "/in").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ArchiveLimits limits{.max_entries = 200, .max_total_bytes = 1 << 20};
    (void)CheckOut(whole.get(), commit, folder.get(), limits, {});
  }
  using It = std::filesystem::directory_iterator;
  if (std::distance(It(name), It()) != 1) abort();
  RemoveTree(name);
  return 0;
}
