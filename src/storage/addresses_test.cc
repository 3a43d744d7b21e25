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
