// The downloader against servers that misbehave.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <thread>

#include "base/encoding.h"
#include "net/http/test_server.h"
#include "storage/destination.h"
#include "storage/downloader.h"
#include "storage/path.h"

namespace kinglet::storage {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

std::string Bytes(size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  uint32_t state = seed;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

// What goes wrong at a server.
struct Spoil {
  int cut_first = 0;          // so many responses end after half their bytes
  int stall_first = 0;        // so many stop sending after half
  int fail_first = 0;         // so many are 503
  bool no_ranges = false;     // always 200
  const char* encode = "";    // claims this encoding
  bool change_etag = false;   // another version from the second range on
  bool short_length = false;  // Content-Length one too small
  int status = 0;             // always this status
  int bad_checksums = 0;      // so many whole answers carry a wrong byte
};

// A file server with ranges whose answers can be spoiled.
struct Store {
  explicit Store(std::string c, Spoil s = {}) : content(std::move(c)), spoil(s) {}

  net::Task<void> Serve(http::Exchange& exchange) {
    ++requests;
    auto take = [](int& count) { return count > 0 && count-- > 0; };
    if (spoil.status) co_return exchange.Send(spoil.status, "text/plain", "no");
    std::string_view range = exchange.Header("range");
    uint64_t first = 0, last = content.size() - 1;
    bool ranged = !range.empty() && !spoil.no_ranges;
    if (ranged) {
      range.remove_prefix(6);
      auto middle = std::from_chars(range.data(), range.data() + range.size(), first).ptr;
      std::from_chars(middle + 1, range.data() + range.size(), last);
      last = std::min<uint64_t>(last, content.size() - 1);
    }
    bool probe = ranged && first == last;
    if (!probe && take(spoil.fail_first)) co_return exchange.Send(503, "text/plain", "later");
    std::string etag = "\"v1\"";
    if (spoil.change_etag && !probe && version_sent++ == 1) {
      content[5] ^= 1;
      changed = true;
      spoil.change_etag = false;
    }
    if (changed) etag = "\"v2\"";
    std::string body = content.substr(first, last - first + 1);
    http::Headers head;
    head.Add("Content-Type", type);
    head.Add("ETag", etag);
    if (*spoil.encode) head.Add("Content-Encoding", spoil.encode);
    if (ranged)
      head.Add("Content-Range", fmt::format("bytes {}-{}/{}", first, last, content.size()));
    if (checksum) {
      Digest digest("md5");
      digest.Update(content);
      head.Add("Content-MD5", Base64Encode(digest.Finish()));
      if (!probe && take(spoil.bad_checksums)) body[0] ^= 1;
    }
    if (spoil.short_length && !probe) body.pop_back();
    bool cut = !probe && take(spoil.cut_first), stall = !probe && take(spoil.stall_first);
    head.Add("Content-Length", std::to_string(body.size()));
    exchange.SendHead(ranged ? 206 : 200, head);
    if (cut || stall) {
      (void)co_await exchange.Write(std::string_view(body).substr(0, body.size() / 2));
      if (stall) co_await exchange.loop().Sleep(std::chrono::hours(1), exchange.stop());
      co_return;
    }
    if (!probe) sent += body.size();
    if (co_await exchange.Write(body)) (void)co_await exchange.End();
  }

  std::string content;
  Spoil spoil;
  std::string type = "application/octet-stream";
  bool checksum = false;
  int version_sent = 0;
  bool changed = false;
  std::atomic<int> requests{0};
  std::atomic<uint64_t> sent{0};
};

class DownloadTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kinglet-download-XXXXXX";
    root_ = mkdtemp(name);
    destination_ = root_ / "model";
    options_.fetch.first_backoff = std::chrono::milliseconds(1);
    options_.fetch.chunk_bytes = 100'000;
    options_.stall_timeout = std::chrono::milliseconds(300);
    options_.fetch.max_failures = 4;
  }
  void TearDown() override { RemoveTree(root_); }

  Result<DownloadResult> Get(Store& store, std::string_view file = "/m.joblib") {
    http::TestServer server(
        [&](http::Exchange& exchange) -> net::Task<void> { return store.Serve(exchange); });
    return Download(server.Url(file), destination_, options_);
  }
  std::string Read(const char* name = "m.joblib") {
    return ReadFile(destination_ / name).value_or("(missing)");
  }
  // Entries beside the destination and inside it that should not be there.
  void ExpectClean() {
    for (auto& entry : fs::directory_iterator(root_)) EXPECT_EQ(entry.path(), destination_);
    EXPECT_FALSE(fs::exists(destination_ / ".kinglet-staging"));
    EXPECT_FALSE(fs::exists(destination_ / ".kinglet-lock"));
  }

  fs::path root_, destination_;
  DownloadOptions options_;
};

TEST_F(DownloadTest, ParallelRanges) {
  Store store(Bytes(1'234'567));
  auto result = Get(store);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_TRUE(Read() == store.content);
  EXPECT_EQ(store.requests, 14);  // a probe and thirteen ranges
  EXPECT_EQ(result->bytes, 1'234'567u);
  EXPECT_TRUE(fs::exists(destination_ / kCompleteMarker));
  ExpectClean();
}

TEST_F(DownloadTest, SecondRunDoesNothing) {
  Store store(Bytes(1000));
  http::TestServer server([&](http::Exchange& exchange) { return store.Serve(exchange); });
  ASSERT_TRUE(Download(server.Url("/m"), destination_, options_));
  int requests = store.requests;
  auto again = Download(server.Url("/m"), destination_, options_);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->already_complete);
  EXPECT_EQ(store.requests, requests);
  // A file that is missing or cut is fetched again.
  ASSERT_EQ(truncate((destination_ / "m").c_str(), 10), 0);
  auto repaired = Download(server.Url("/m"), destination_, options_);
  ASSERT_TRUE(repaired) << repaired.error().message();
  EXPECT_FALSE(repaired->already_complete);
  EXPECT_EQ(Read("m"), store.content);
  ExpectClean();
}

TEST_F(DownloadTest, EmptyAndTinyFiles) {
  Store one("x");
  ASSERT_TRUE(Get(one));
  EXPECT_EQ(Read(), "x");
}

TEST_F(DownloadTest, ServersThatFailAtFirst) {
  struct Case {
    const char* what;
    Spoil spoil;
  };
  for (auto& c : std::vector<Case>{{"cut", {.cut_first = 5}},
                                   {"stall", {.stall_first = 2}},
                                   {"503", {.fail_first = 3}},
                                   {"all", {.cut_first = 2, .stall_first = 1, .fail_first = 2}},
                                   {"no ranges", {.no_ranges = true}},
                                   {"no ranges, cut", {.cut_first = 1, .no_ranges = true}},
                                   {"changed", {.change_etag = true}}}) {
    RemoveTree(destination_);
    Store store(Bytes(500'000), c.spoil);
    auto result = Get(store);
    ASSERT_TRUE(result) << c.what << ": " << result.error().message();
    EXPECT_TRUE(Read() == store.content) << c.what;
    ExpectClean();
  }
}

// A second request beside one that has gone silent, which nobody has given up yet.
TEST_F(DownloadTest, ASecondRequestBesideASilentOne) {
  options_.stall_timeout = std::chrono::seconds(60);
  Store store(Bytes(500'000), {.stall_first = 1});
  MetricsRegistry metrics;
  options_.metrics = &metrics;
  auto result = Get(store);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_TRUE(Read() == store.content);
  EXPECT_EQ(result->hedges, 1u);
  EXPECT_EQ(result->retries, 0u);
  // What the silent one had brought, less than a piece, was not in the file yet: it comes twice.
  EXPECT_LE(result->received_bytes, store.content.size() + 50'000);
  EXPECT_THAT(metrics.Expose(), HasSubstr("kinglet_storage_hedged_requests_total 1\n"));
  EXPECT_THAT(metrics.Expose(), HasSubstr("kinglet_storage_hedged_bytes_total 1e+05\n"));
  ExpectClean();
}

// Only few: others that are silent are asked again one after the other.
TEST_F(DownloadTest, FewSecondRequests) {
  options_.stall_timeout = std::chrono::seconds(5);
  Store store(Bytes(3'000'000), {.stall_first = 4});
  auto result = Get(store);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_TRUE(Read() == store.content);
  EXPECT_EQ(result->hedges, 1u);  // a twentieth of thirty chunks
  EXPECT_GE(result->retries, 2u);
}

TEST_F(DownloadTest, StopsWhileASecondRequestRuns) {
  options_.stall_timeout = std::chrono::seconds(60);
  Store store(Bytes(500'000), {.stall_first = 100});
  std::stop_source stop;
  options_.stop = stop.get_token();
  http::TestServer server([&](http::Exchange& exchange) -> net::Task<void> {
    // After the probe and the four ranges that may be asked for at once: the second request.
    if (store.requests == 5) stop.request_stop();
    return store.Serve(exchange);
  });
  auto cut = Download(server.Url("/m.joblib"), destination_, options_);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code(), Code::kCancelled);
  EXPECT_FALSE(fs::exists(destination_));
}

TEST_F(DownloadTest, FailuresAreClearAndLeaveNoModel) {
  struct Case {
    Spoil spoil;
    std::string type, message;
    Code code;
  };
  for (auto& c :
       std::vector<Case>{{{.status = 404}, "", "returned a 404 response code.", Code::kNotFound},
                         {{.status = 503}, "", "returned a 503 response code.", Code::kUnavailable},
                         {{.fail_first = 1000},
                          "application/octet-stream",
                          "gave up after 4 attempts",
                          Code::kUnavailable},
                         {{.encode = "br"},
                          "application/octet-stream",
                          "encodes the content (br)",
                          Code::kFailedPrecondition},
                         {{.encode = "gzip"},
                          "application/octet-stream",
                          "Not a gzipped file",
                          Code::kInvalidArgument},
                         {{},
                          "text/html",
                          "did not respond with 'Content-Type': 'application/octet-stream'",
                          Code::kFailedPrecondition}}) {
    Store store(Bytes(300'000), c.spoil);
    store.type = c.type;
    auto result = Get(store);
    ASSERT_FALSE(result) << c.message;
    EXPECT_EQ(result.error().code(), c.code) << result.error().message();
    EXPECT_THAT(result.error().message(), HasSubstr(c.message));
    EXPECT_FALSE(fs::exists(destination_));
  }
  Store wrong(Bytes(300'000), {.short_length = true});
  EXPECT_FALSE(Get(wrong));
  EXPECT_FALSE(fs::exists(destination_));
}

TEST_F(DownloadTest, ChecksumsAreChecked) {
  options_.fetch.chunk_bytes = 1 << 20;
  Store once(Bytes(300'000), {.bad_checksums = 1});
  once.checksum = true;
  auto repaired = Get(once);
  ASSERT_TRUE(repaired) << repaired.error().message();
  EXPECT_TRUE(Read() == once.content);
  RemoveTree(destination_);
  Store always(Bytes(300'000), {.bad_checksums = 1000});
  always.checksum = true;
  auto refused = Get(always);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kDataLoss);
  EXPECT_FALSE(fs::exists(destination_));
}

TEST_F(DownloadTest, ResumesWhereItStopped) {
  options_.fetch.connections = 1;
  Store store(Bytes(1'000'000));
  std::stop_source stop;
  options_.stop = stop.get_token();
  {
    http::TestServer server([&](http::Exchange& exchange) -> net::Task<void> {
      if (store.requests == 6) stop.request_stop();
      return store.Serve(exchange);
    });
    // The same URL for both runs.
    auto url = server.Url("/m.joblib");
    auto cut = Download(url, destination_, options_);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code(), Code::kCancelled);
    EXPECT_FALSE(fs::exists(destination_));
    options_.stop = {};
    auto resumed = Download(url, destination_, options_);
    ASSERT_TRUE(resumed) << resumed.error().message();
    EXPECT_LE(resumed->received_bytes, 700'000u);
  }
  EXPECT_TRUE(Read() == store.content);
  ExpectClean();
}

TEST_F(DownloadTest, FillsAFolderWithContent) {
  fs::create_directories(destination_);
  ASSERT_TRUE(WriteFileAtomic(destination_ / "mine", "kept"));
  Store store(Bytes(250'000));
  auto result = Get(store);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_TRUE(Read() == store.content);
  EXPECT_EQ(Read("mine"), "kept");
  EXPECT_TRUE(fs::exists(destination_ / kCompleteMarker));
  ExpectClean();
}

TEST_F(DownloadTest, FinishesACommitThatWasCut) {
  fs::create_directories(destination_ / ".kinglet-staging/data/d");
  ASSERT_TRUE(WriteFileAtomic(destination_ / "already", "1"));
  ASSERT_TRUE(WriteFileAtomic(destination_ / ".kinglet-staging/data/d/left", "22"));
  ASSERT_TRUE(WriteFileAtomic(
      destination_ / ".kinglet-staging/committing",
      R"({"uri":"s3://b/m","digest":"x","files":[{"path":"already","size":1},{"path":"d/left","size":2}]})"));
  auto opened = Destination::Open(destination_, {});
  ASSERT_TRUE(opened);
  EXPECT_TRUE((*opened)->Complete("s3://b/m"));
  EXPECT_FALSE((*opened)->Complete("s3://b/other"));
  EXPECT_EQ(Read("d/left"), "22");
}

TEST_F(DownloadTest, CleansUpAfterACommitThatWasCutAtItsEnd) {
  fs::create_directories(destination_ / ".kinglet-staging/data");
  ASSERT_TRUE(WriteFileAtomic(destination_ / "m", "1"));
  ASSERT_TRUE(
      WriteFileAtomic(destination_ / kCompleteMarker,
                      R"({"sources":[{"uri":"s3://b/m","files":[{"path":"m","size":1}]}]})"));
  auto again = Download("s3://b/m", destination_, options_);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->already_complete);
  ExpectClean();
}

TEST_F(DownloadTest, TwoAtOnceDoNotHarmEachOther) {
  Store store(Bytes(2'000'000));
  http::TestServer server([&](http::Exchange& exchange) { return store.Serve(exchange); });
  std::vector<std::jthread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back(
        [&] { good += Download(server.Url("/m.joblib"), destination_, options_).has_value(); });
  }
  threads.clear();
  EXPECT_EQ(good, 4);
  EXPECT_TRUE(Read() == store.content);
  EXPECT_EQ(store.sent, store.content.size());  // one of them fetched, once
  ExpectClean();
}

TEST_F(DownloadTest, HostHeadersAndLocalPaths) {
  std::string seen;
  http::TestServer server({}, [&](http::Exchange& exchange) {
    seen = exchange.Header("authorization");
    exchange.Send(200, "application/octet-stream", "x");
    return true;
  });
  options_.environment.Set("127.0.0.1-headers", R"({"Authorization": "Bearer t"})");
  ASSERT_TRUE(Download(server.Url("/m"), destination_, options_));
  EXPECT_EQ(seen, "Bearer t");

  fs::path linked = root_ / "linked";
  auto local = Download("file://" + destination_.string(), linked, options_);
  ASSERT_TRUE(local) << local.error().message();
  EXPECT_TRUE(fs::is_symlink(linked / "m"));
  auto missing = Download("/nowhere/at/all", linked, options_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "Local path /nowhere/at/all does not exist.");
  EXPECT_EQ(Download("http://host/", linked, options_).error().message().substr(0, 37),
            "Cannot recognize storage type for htt");
}

TEST(Progress, Line) {
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(ProgressLine({.bytes = 512,
                          .total_bytes = 1024,
                          .files = 1,
                          .total_files = 2,
                          .bytes_per_second = 256,
                          .eta_seconds = 2}),
            "50% 512 B of 1.0 KiB, 1 of 2 files, 256 B/s, 2s left");
}

}  // namespace
}  // namespace kinglet::storage
