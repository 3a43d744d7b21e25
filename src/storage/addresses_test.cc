#include "storage/addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "net/http/test_server.h"
#include "storage/downloader.h"

namespace kinglet::storage {
namespace {

TEST(Addresses, Public) {
  for (const char* ip : {"8.8.8.8", "100.63.0.1", "172.15.0.1", "172.32.0.1", "2600::1",
                         "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(IsPublicAddress(ip)) << ip;
  }
  for (const char* ip : {"127.0.0.1",
                         "127.9.9.9",
                         "10.1.2.3",
                         "172.16.0.1",
                         "172.31.255.255",
                         "192.168.1.1",
                         "169.254.169.254",
                         "100.64.0.1",
                         "0.0.0.0",
                         "224.0.0.1",
                         "255.255.255.255",
                         "::",
                         "::1",
                         "fe80::1",
                         "fd00:ec2::254",
                         "ff02::1",
                         "::ffff:127.0.0.1",
                         "::ffff:169.254.169.254",
                         "::127.0.0.1",
                         "64:ff9b::7f00:1",
                         "2002:7f00:1::1",
                         "2001:0:1::1",
                         "nonsense",
                         ""}) {
    EXPECT_FALSE(IsPublicAddress(ip)) << ip;
  }
}

TEST(Addresses, Metadata) {
  for (const char* ip :
       {"169.254.169.254", "169.254.170.2", "169.254.0.1", "168.63.129.16", "100.100.100.200",
        "192.80.8.124", "fe80::1", "febf::1", "fe80::a9fe:a9fe", "fd00:ec2::254",
        "fd00:0ec2:0::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "::ffff:169.254.169.254",
        "::169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "nonsense", ""}) {
    EXPECT_TRUE(IsMetadataAddress(ip)) << ip;
  }
  for (const char* ip : {"127.0.0.1", "::1", "0.0.0.0", "10.0.0.1", "192.168.1.1", "172.16.0.1",
                         "8.8.8.8", "169.253.255.255", "169.255.0.0", "fec0::1", "fd00:ec2::1",
                         "2600::1", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(IsMetadataAddress(ip)) << ip;
  }
}

TEST(Addresses, MetadataIsNeverASource) {
  const auto folder = *TemporaryFolder::Make("kinglet-policy");
  const std::string root = folder.path();
  DownloadOptions options;
  options.fetch.max_failures = 1;
  options.environment.Set("AWS_ENDPOINT_URL", "http://169.254.169.254");
  options.environment.Set("AWS_ACCESS_KEY_ID", "a");
  options.environment.Set("AWS_SECRET_ACCESS_KEY", "b");
  options.environment.Set("KSERVE_OCI_INSECURE_REGISTRY", "true");
  options.environment.Set("HF_ENDPOINT", "http://169.254.169.254");
  for (const char* uri :
       {"http://169.254.169.254/latest/x", "http://2852039166/x", "http://0xa9.0xfe.43518/x",
        "http://0251.0376.0251.0376/x", "http://[::ffff:169.254.169.254]/x",
        "http://[fd00:ec2::254]/x", "http://169.254.169.254/r.git", "oci://169.254.169.254/a/b:1",
        "s3://bucket/x", "hf://a/b"}) {
    auto refused = Download(uri, root + "/a", options);
    ASSERT_FALSE(refused) << uri;
    EXPECT_EQ(refused.error().code(), Code::kPermissionDenied) << uri;
    EXPECT_THAT(refused.error().message(), testing::HasSubstr("not allowed")) << uri;
  }
}

TEST(Addresses, PolicyAtConnectTime) {
  int asked = 0;
  http::TestServer server({}, [&](http::Exchange& exchange) {
    ++asked;
    exchange.Send(200, "application/octet-stream", "x");
    return true;
  });
  const auto folder = *TemporaryFolder::Make("kinglet-policy");
  const std::string root = folder.path();
  DownloadOptions options;
  options.fetch.max_failures = 1;
  options.environment.Set("STORAGE_HTTP_ADDRESSES", "public");
  auto refused = Download(server.Url("/m"), root + "/a", options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("not allowed"));
  EXPECT_EQ(asked, 0);
  options.environment.Set("STORAGE_HTTP_ADDRESSES", "any");
  EXPECT_TRUE(Download(server.Url("/m"), root + "/b", options));
  options.environment.Set("STORAGE_HTTP_ADDRESSES", "pubic");
  EXPECT_FALSE(Download(server.Url("/m"), root + "/c", options));
}

}  // namespace
}  // namespace kinglet::storage
