// The small parts: names, XML, signatures, checksums, journal.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "storage/checksum.h"
#include "storage/environment.h"
#include "storage/file_check.h"
#include "storage/file_hash.h"
#include "storage/journal.h"
#include "storage/path.h"
#include "storage/plugin.h"
#include "storage/sigv4.h"
#include "storage/xml.h"

namespace kinglet::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SafePath, Table) {
  struct Case {
    std::string name, want;  // "" is refused
  };
  for (auto& c : std::vector<Case>{
           {"model.joblib", "model.joblib"},
           {"a//b/./c", "a/b/c"},
           {"a/...", "a/..."},
           {"-pickle/x", "-pickle/x"},
           {"\xc3\xa9/m", "\xc3\xa9/m"},
           {"", ""},
           {".", ""},
           {"/etc/passwd", ""},
           {"..", ""},
           {"a/../../b", ""},
           {"a/..", ""},
           {"a\\..\\b", ""},
           {std::string("a\0b", 3), ""},
           {"a\nb", ""},
           {".kinglet-complete", ""},
           {"a/.kinglet-staging/b", ""},
           {std::string(256, 'x'), ""},
       }) {
    auto path = SafePath(c.name);
    EXPECT_EQ(path.value_or(""), c.want) << c.name;
  }
  std::string deep;
  for (int i = 0; i < 3000; ++i) deep += "a/";
  EXPECT_FALSE(SafePath(deep));
}

TEST(PathSet, Clashes) {
  PathSet set;
  EXPECT_TRUE(set.Add("a/b"));
  EXPECT_TRUE(set.Add("a/c"));
  EXPECT_FALSE(set.Add("a/b"));
  EXPECT_FALSE(set.Add("a"));
  EXPECT_FALSE(set.Add("a/b/c"));
}

TEST(PathFilter, PatternsAsKServeReadsThem) {
  auto filter = PathFilter::Make("*.json, model/*", R"(["*.bin"])");
  ASSERT_TRUE(filter);
  EXPECT_TRUE(filter->Accepts("config.json"));
  EXPECT_TRUE(filter->Accepts("model/x/y"));
  EXPECT_FALSE(filter->Accepts("model/x.bin"));
  EXPECT_FALSE(filter->Accepts("other"));
  EXPECT_TRUE(PathFilter::Make("", "")->Accepts("anything"));
  EXPECT_FALSE(PathFilter::Make("[1,", ""));
}

TEST(CreateBeneath, DoesNotFollowLinks) {
  char root[] = "/tmp/kinglet-path-XXXXXX";
  ASSERT_TRUE(mkdtemp(root));
  std::filesystem::create_directory_symlink("/tmp", std::string(root) + "/out");
  std::filesystem::create_symlink("/tmp/x", std::string(root) + "/file");
  auto folder = OpenFolder(root);
  ASSERT_TRUE(folder);
  EXPECT_TRUE(CreateBeneath(folder->get(), "a/b/c", O_WRONLY | O_CREAT));
  EXPECT_FALSE(CreateBeneath(folder->get(), "out/evil", O_WRONLY | O_CREAT));
  EXPECT_FALSE(CreateBeneath(folder->get(), "file", O_WRONLY | O_CREAT));
  RemoveTree(root);
}

TEST(Xml, ReadsListings) {
  auto root = ParseXml(
      "<?xml version=\"1.0\"?>\n<!-- c --><ListBucketResult "
      "xmlns=\"x\"><IsTruncated>false</IsTruncated>"
      "<Contents "
      "a='1'><s:Key>a&amp;b&#x41;&#233;</s:Key></Contents><Contents/><T><![CDATA[<x>]]></T>"
      "</ListBucketResult>");
  ASSERT_TRUE(root) << root.error().message();
  EXPECT_EQ(root->name, "ListBucketResult");
  EXPECT_EQ(root->Text("IsTruncated"), "false");
  EXPECT_EQ(root->Child("Contents").Text("Key"), "a&bA\xc3\xa9");
  EXPECT_EQ(root->Text("T"), "<x>");
  EXPECT_EQ(root->Text("absent"), "");
}

TEST(Xml, RefusesWhatIsMalformedOrHostile) {
  for (const char* bad : {"", "x", "<a>", "<a></b>", "<a><b></a></b>", "<a>&x;</a>", "<a>&#0;</a>",
                          "<a>&#xd800;</a>", "<a/><b/>", "<a b></a>", "<a b=c></a>", "<a><!-- </a>",
                          "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a><![CDATA[x</a>"}) {
    EXPECT_FALSE(ParseXml(bad)) << bad;
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  EXPECT_FALSE(ParseXml(deep));
  EXPECT_FALSE(ParseXml("<a><b/><b/><b/></a>", {.max_elements = 3}));
}

// Examples of "Signature Calculations for the Authorization Header" in the Amazon S3 API reference
// and the first of the general suite (get-vanilla).
TEST(SigV4, PublishedVectors) {
  AwsCredentials credentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                             ""};
  auto time = *ParseRfc3339("2013-05-24T00:00:00Z");
  auto signature = [&](SigV4Request request) {
    request.payload_sha256 = kEmptySha256;
    SignV4(request, credentials, "us-east-1", "s3", time);
    std::string value(request.headers.Get("authorization"));
    return value.substr(value.rfind('=') + 1);
  };
  SigV4Request object{.host = "examplebucket.s3.amazonaws.com", .path = "/test.txt"};
  object.headers.Add("Range", "bytes=0-9");
  EXPECT_EQ(signature(object), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(
      signature(
          {.host = "examplebucket.s3.amazonaws.com", .path = "/", .query = {{"lifecycle", ""}}}),
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(signature({.host = "examplebucket.s3.amazonaws.com",
                       .path = "/",
                       .query = {{"max-keys", "2"}, {"prefix", "J"}}}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");

  SigV4Request vanilla{.host = "example.amazonaws.com", .path = "/"};
  vanilla.payload_sha256 = kEmptySha256;
  SignV4(vanilla, {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""}, "us-east-1",
         "service", *ParseRfc3339("2015-08-30T12:36:00Z"));
  EXPECT_EQ(vanilla.headers.Get("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(Checksum, FromHeaders) {
  http::Headers headers;
  EXPECT_FALSE(ChecksumFromHeaders(headers));
  headers.Add("Content-MD5", Base64Encode(std::string(16, 'x')));
  EXPECT_EQ(ChecksumFromHeaders(headers).algorithm, "md5");
  headers.Add("x-goog-hash",
              "crc32c=" + Base64Encode("abcd") + ",md5=" + Base64Encode(std::string(16, 'y')));
  EXPECT_EQ(ChecksumFromHeaders(headers).value, std::string(16, 'y'));
  headers.Add("x-amz-checksum-crc32c", Base64Encode("abcd"));
  EXPECT_EQ(ChecksumFromHeaders(headers).algorithm, "crc32c");
  headers.Add("x-amz-checksum-crc64nvme", Base64Encode("abcdefgh"));
  EXPECT_EQ(ChecksumFromHeaders(headers).algorithm, "crc64nvme");
  headers.Add("x-amz-checksum-type", "COMPOSITE");
  EXPECT_EQ(ChecksumFromHeaders(headers).algorithm, "md5");
  EXPECT_FALSE(ChecksumFromDigest(headers));
  headers.Add("Repr-Digest", "sha-256=:" + Base64Encode(std::string(32, 'z')) + ":");
  EXPECT_EQ(ChecksumFromDigest(headers).algorithm, "sha256");
  EXPECT_EQ(ChecksumFromEtag("\"d41d8cd98f00b204e9800998ecf8427e\"", {}).algorithm, "md5");
  EXPECT_FALSE(ChecksumFromEtag("\"d41d8cd98f00b204e9800998ecf8427e-2\"", {}));
  http::Headers kms;
  kms.Add("x-amz-server-side-encryption", "aws:kms");
  EXPECT_FALSE(ChecksumFromEtag("\"d41d8cd98f00b204e9800998ecf8427e\"", kms));
}

class FileCheckTest : public testing::Test {
 protected:
  FileCheckTest() { unlink(name_); }
  void Write(std::string_view bytes, off_t offset = 0) {
    ASSERT_EQ(pwrite(fd_.get(), bytes.data(), bytes.size(), offset),
              static_cast<ssize_t>(bytes.size()));
  }
  FileCheck::Finding Check(uint64_t size, const Checksum& checksum) {
    return FileCheck(size, size, "f", [&] { return checksum; }).Finish(fd_.get(), {});
  }
  static Code CodeOf(const FileCheck::Finding& finding) {
    return finding.status ? Code::kOk : finding.status.error().code();
  }

  char name_[32] = "/tmp/kinglet-checksum-XXXXXX";
  Fd fd_{mkstemp(name_)};
  const Checksum crc_{"crc32c", "\xe3\x06\x92\x83"};  // of "123456789"
};

TEST_F(FileCheckTest, AWholeFile) {
  Write("123456789");
  EXPECT_EQ(CodeOf(Check(9, crc_)), Code::kOk);
  EXPECT_EQ(CodeOf(Check(9, {"md5", *HexDecode("25f9e794323b453885f5181f1b624d0b")})), Code::kOk);
  EXPECT_EQ(CodeOf(Check(9, {})), Code::kOk);
  EXPECT_EQ(CodeOf(Check(8, crc_)), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Check(10, crc_)), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Check(9, {"sha256", std::string(32, 'x')})), Code::kDataLoss);
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(
      CodeOf(FileCheck(9, 9, "f", [&] { return crc_; }).Finish(fd_.get(), stopped.get_token())),
      Code::kCancelled);
}

TEST_F(FileCheckTest, ChunksInAnyOrder) {
  int asked = 0;
  FileCheck check(9, 4, "f", [&] { return ++asked, crc_; });
  auto follow = [&](size_t chunk, std::string_view bytes) {
    Write(bytes, static_cast<off_t>(chunk * 4));
    check.Add(chunk);
    check.Follow(fd_.get(), {});
  };
  follow(1, "5678");
  EXPECT_EQ(asked, 0);  // chunk 0 is not there
  follow(0, "1234");
  EXPECT_EQ(asked, 1);
  Write("????????");  // what was read behind the download is not read again
  follow(2, "9");
  EXPECT_EQ(CodeOf(check.Finish(fd_.get(), {})), Code::kOk);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(CodeOf(check.Finish(fd_.get(), {})), Code::kDataLoss);  // but the second time all is
}

// The parts' sums are written out with the single digests, whose own vectors are others' tests.
TEST(Checksum, OfPartsAndBlocks) {
  auto md5 = [](std::string_view bytes) {
    Digest digest("md5");
    digest.Update(bytes);
    return digest.Finish();
  };
  auto value = [](const Checksum& checksum, std::string_view bytes, size_t step) {
    auto hash = FileHash::Make(checksum, bytes.size());
    for (size_t at = 0; at < bytes.size(); at += step) hash->Update(bytes.substr(at, step));
    return hash->Finish();
  };
  const std::string text = "123456789";
  // The check values of these CRCs in the catalogue of parametrised CRC algorithms.
  EXPECT_EQ(HexEncode(value({.algorithm = "crc64nvme"}, text, 9)), "ae8b14860a799888");
  EXPECT_EQ(HexEncode(value({.algorithm = "crc32"}, text, 4)), "cbf43926");
  const std::string bytes = [] {
    std::string made;
    for (int i = 0; i < 5000; ++i) made += static_cast<char>(i * i >> 3);
    return made;
  }();
  EXPECT_EQ(value({.algorithm = "crc64nvme"}, bytes, 7),
            value({.algorithm = "crc64nvme"}, bytes, 4096));
  for (size_t step : {1, 7, 1000, 5000}) {
    Checksum parts{.algorithm = "md5-of-md5", .part_size = 2500};
    EXPECT_EQ(value(parts, bytes, step), md5(md5(bytes.substr(0, 2500)) + md5(bytes.substr(2500))));
    parts.part_size = 2000;
    EXPECT_EQ(
        value(parts, bytes, step),
        md5(md5(bytes.substr(0, 2000)) + md5(bytes.substr(2000, 2000)) + md5(bytes.substr(4000))));
    // Two blocks of cells of 1000 bytes; the MD5s of both fill Hadoop's first buffer.
    Checksum blocks{.algorithm = "hdfs-crc32c", .part_size = 3000, .cell_size = 1000};
    auto crcs = [&](size_t first, size_t end) {
      std::string all;
      for (size_t at = first; at < end; at += 1000) {
        uint32_t crc = Crc32c(bytes.substr(at, 1000));
        for (int shift : {24, 16, 8, 0}) all += static_cast<char>(crc >> shift);
      }
      return all;
    };
    EXPECT_EQ(value(blocks, bytes, step), md5(md5(crcs(0, 3000)) + md5(crcs(3000, 5000))));
    blocks.part_size = 0;
    EXPECT_EQ(value(blocks, bytes, step), md5(md5(crcs(0, 5000)) + std::string(16, '\0')));
  }
}

TEST(Journal, SurvivesAHalfLine) {
  char folder[] = "/tmp/kinglet-journal-XXXXXX";
  ASSERT_TRUE(mkdtemp(folder));
  bool resumed = true;
  {
    auto journal = Journal::Open(folder, "digest", &resumed);
    ASSERT_TRUE(journal);
    EXPECT_FALSE(resumed);
    ASSERT_TRUE(journal->Add(0, 1));
    ASSERT_TRUE(journal->Add(2, 30));
    ASSERT_TRUE(journal->Add(2, 31));
    ASSERT_TRUE(journal->Add(3, 0));
    ASSERT_TRUE(journal->Forget(2));
    ASSERT_TRUE(journal->Add(2, 7));
  }
  std::string path = std::string(folder) + "/journal";
  std::string text = *ReadFile(path);
  Fd file(open(path.c_str(), O_WRONLY | O_APPEND));
  ASSERT_EQ(write(file.get(), "4 1", 3), 3);
  auto again = Journal::Open(folder, "digest", &resumed);
  ASSERT_TRUE(again);
  EXPECT_TRUE(resumed);
  EXPECT_EQ(again->size(), 3u);
  EXPECT_TRUE(again->Done(0, 1) && again->Done(3, 0) && again->Done(2, 7));
  ASSERT_TRUE(again->Add(4, 1));
  EXPECT_EQ(*ReadFile(path), text + "4 1\n");
  auto other = Journal::Open(folder, "other", &resumed);
  EXPECT_FALSE(resumed);
  RemoveTree(folder);
}

TEST(Environment, StorageConfig) {
  Environment env({{"STORAGE_CONFIG",
                    R"({"type":"s3","endpoint_url":"http://a","access_key_id":"k","region":"r"})"},
                   {"STORAGE_OVERRIDE_CONFIG", R"({"region":"eu","anonymous":"True"})"}});
  ASSERT_TRUE(env.ApplyStorageConfig());
  EXPECT_EQ(env.Get("AWS_ENDPOINT_URL"), "http://a");
  EXPECT_EQ(env.Get("AWS_ACCESS_KEY_ID"), "k");
  EXPECT_EQ(env.Get("AWS_DEFAULT_REGION"), "eu");
  EXPECT_TRUE(env.IsTrue("awsAnonymousCredential"));
  Environment bad({{"STORAGE_CONFIG", "nonsense"}});
  EXPECT_FALSE(bad.ApplyStorageConfig());
}

TEST(Plugins, RecogniseTheirUris) {
  auto prefix = [](std::string_view uri) {
    auto plugin = FindPlugin(uri);
    return plugin ? std::string(plugin->prefixes[0]) : plugin.error().message();
  };
  EXPECT_EQ(prefix("s3://b/k"), "s3://");
  EXPECT_EQ(prefix("file:///x"), "file://");
  EXPECT_EQ(prefix("/mnt/models"), "file://");
  EXPECT_EQ(prefix("https://h/m.joblib"), "https://");
  EXPECT_EQ(prefix("ftp://h/m"),
            "Cannot recognize storage type for ftp://h/m\n'gs://', 's3://', 'file://', and "
            "'http(s)://' are the current available storage type.");
  EXPECT_THAT(SupportedPrefixes(),
              testing::IsSupersetOf({"file://", "s3://", "https://", "http://"}));
}

}  // namespace
}  // namespace kinglet::storage
