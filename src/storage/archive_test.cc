#include "storage/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>

#include "storage/path.h"

namespace kinglet::storage {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::string name;
  unsigned type = AE_IFREG;
  std::string content;  // a link's target
  bool hard_link = false;
};

// An archive with exactly these entries, as tar (gzip) or zip.
Fd MakeArchive(const std::vector<Entry>& entries, bool zip) {
  Fd fd(memfd_create("archive", MFD_CLOEXEC));
  archive* a = archive_write_new();
  if (zip) {
    archive_write_set_format_zip(a);
  } else {
    archive_write_set_format_pax_restricted(a);
    archive_write_add_filter_gzip(a);
  }
  archive_write_open_fd(a, fd.get());
  for (const Entry& entry : entries) {
    archive_entry* e = archive_entry_new();
    archive_entry_set_pathname(e, entry.name.c_str());
    archive_entry_set_filetype(e, entry.type);
    archive_entry_set_perm(e, 0644);
    if (entry.hard_link) archive_entry_set_hardlink(e, entry.content.c_str());
    if (entry.type == AE_IFLNK) archive_entry_set_symlink(e, entry.content.c_str());
    bool data = entry.type == AE_IFREG && !entry.hard_link;
    archive_entry_set_size(e, data ? static_cast<la_int64_t>(entry.content.size()) : 0);
    archive_write_header(a, e);
    if (data) archive_write_data(a, entry.content.data(), entry.content.size());
    archive_entry_free(e);
  }
  archive_write_close(a);
  archive_write_free(a);
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

class ArchiveTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kinglet-archive-XXXXXX";
    outer_ = mkdtemp(name);
    inner_ = outer_ / "in";
    fs::create_directory(inner_);
  }
  void TearDown() override { RemoveTree(outer_); }

  Result<std::vector<StagedFile>> Unpack(const std::vector<Entry>& entries, bool zip,
                                         const ArchiveLimits& limits = {}) {
    Fd archive = MakeArchive(entries, zip);
    return UnpackBytes(archive, limits);
  }
  Result<std::vector<StagedFile>> UnpackBytes(const Fd& archive, const ArchiveLimits& limits = {}) {
    RemoveTree(inner_);
    fs::create_directory(inner_);
    auto folder = OpenFolder(inner_);
    auto result = UnpackArchive(archive.get(), folder->get(), limits);
    // Whatever it was, nothing came to lie beside the folder.
    EXPECT_EQ(std::distance(fs::directory_iterator(outer_), fs::directory_iterator()), 1);
    return result;
  }
  fs::path outer_, inner_;
};

TEST_F(ArchiveTest, UnpacksWhatIsGood) {
  for (bool zip : {false, true}) {
    auto files = Unpack({{"./", AE_IFDIR},
                         {"m/", AE_IFDIR},
                         {"m/a.txt", AE_IFREG, "hello"},
                         {"./b", AE_IFREG, std::string(300'000, 'b')},
                         {"m/l", AE_IFLNK, "../b"}},
                        zip);
    ASSERT_TRUE(files) << files.error().message();
    EXPECT_EQ(files->size(), 3u);
    EXPECT_EQ(*ReadFile(inner_ / "m/a.txt"), "hello");
    EXPECT_EQ(ReadFile(inner_ / "m/l")->size(), 300'000u);
  }
}

TEST_F(ArchiveTest, RefusesWhatLeavesTheFolder) {
  const std::vector<std::vector<Entry>> hostile = {
      {{"../evil", AE_IFREG, "x"}},
      {{"/evil", AE_IFREG, "x"}},
      {{"a/../../evil", AE_IFREG, "x"}},
      {{"a\\..\\evil", AE_IFREG, "x"}},
      {{"..", AE_IFDIR}},
      {{"l", AE_IFLNK, "/etc/passwd"}},
      {{"l", AE_IFLNK, "../evil"}},
      {{"l", AE_IFLNK, ""}},
      {{"d/l", AE_IFLNK, "../../evil"}},
      {{"l", AE_IFLNK, "d"}, {"l/x", AE_IFREG, "x"}},
      {{"d/", AE_IFDIR}, {"d", AE_IFREG, "x"}},
      {{"f", AE_IFREG, "1"}, {"f", AE_IFREG, "2"}},
      {{"f", AE_IFREG, "1"}, {"f/g", AE_IFREG, "2"}},
      // d/e is really x/y: two harmless links that together lead out.
      {{"x/f", AE_IFREG, "1"}, {"d/e", AE_IFLNK, "../x"}, {"d/g", AE_IFLNK, "e/../../f/.."}},
      {{"x", AE_IFREG, "1"}, {"p/q/r", AE_IFLNK, "../.."}, {"s", AE_IFLNK, "p/q/r/../x"}},
      {{".kinglet-complete", AE_IFREG, "{}"}},
      {{std::string(300, 'n'), AE_IFREG, "x"}},
  };
  for (auto& entries : hostile) {
    for (bool zip : {false, true}) {
      EXPECT_FALSE(Unpack(entries, zip)) << entries[0].name << " " << entries[0].content;
    }
  }
  EXPECT_FALSE(Unpack({{"f", AE_IFREG, "1"}, {"h", AE_IFREG, "f", true}}, false));
  EXPECT_FALSE(Unpack({{"dev", AE_IFCHR}}, false));
  EXPECT_FALSE(Unpack({{"fifo", AE_IFIFO}}, false));
}

TEST_F(ArchiveTest, RefusesBombs) {
  ArchiveLimits limits{
      .max_entries = 5, .max_total_bytes = 1 << 20, .max_ratio = 10, .ratio_free_bytes = 1000};
  std::vector<Entry> many;
  for (int i = 0; i < 6; ++i) many.push_back({std::to_string(i), AE_IFREG, "x"});
  EXPECT_FALSE(Unpack(many, false, limits));
  auto ratio = Unpack({{"zeros", AE_IFREG, std::string(500'000, '\0')}}, false, limits);
  ASSERT_FALSE(ratio);
  EXPECT_EQ(ratio.error().code(), Code::kResourceExhausted);
  limits.max_ratio = 1'000'000;
  EXPECT_TRUE(Unpack({{"zeros", AE_IFREG, std::string(500'000, '\0')}}, false, limits));
  EXPECT_FALSE(Unpack({{"zeros", AE_IFREG, std::string(2 << 20, '\0')}}, true, limits));
}

TEST_F(ArchiveTest, RefusesGarbage) {
  for (std::string bytes : {std::string("not an archive at all, just text"),
                            std::string("PK\x03\x04"), std::string(10'000, 'x'), std::string()}) {
    Fd fd(memfd_create("archive", MFD_CLOEXEC));
    ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    lseek(fd.get(), 0, SEEK_SET);
    auto files = UnpackBytes(fd);
    ASSERT_FALSE(files);
    EXPECT_TRUE(files.error().message().starts_with(
        "Failed to unpack archive file. The file format is not valid."));
  }
}

TEST(IsArchiveName, Table) {
  for (const char* name : {"m.tar", "m.tgz", "m.tar.gz", "M.ZIP"}) EXPECT_TRUE(IsArchiveName(name));
  for (const char* name : {"m.gz", "m.joblib", "tar", "m.zip.txt"})
    EXPECT_FALSE(IsArchiveName(name));
}

}  // namespace
}  // namespace kinglet::storage
