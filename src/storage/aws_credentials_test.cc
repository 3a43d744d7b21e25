#include "storage/aws_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "net/http/test_server.h"
#include "storage/downloader.h"

namespace kinglet::storage {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// Answers as STS, as a container's endpoint and as an instance's metadata service.
class AwsCredentialsTest : public testing::Test {
 protected:
  AwsCredentialsTest()
      : server_({}, [this](http::Exchange& exchange) { return Answer(exchange); }) {
    environment_.Set("HOME", root_.string());
    environment_.Set("AWS_ENDPOINT_URL_STS", server_.Url());
    environment_.Set("AWS_EC2_METADATA_DISABLED", "true");
  }

  bool Answer(http::Exchange& exchange) {
    ++calls_;
    std::string_view path = exchange.path();
    std::string_view body;
    exchange.BufferedBody(&body);
    last_body_ = body;
    last_authorization_ = exchange.Header("authorization");
    auto in = [](auto time) { return FormatRfc3339(std::chrono::system_clock::now() + time); };
    if (path == "/latest/api/token") {
      bool good = exchange.method() == "PUT" &&
                  exchange.Header("x-aws-ec2-metadata-token-ttl-seconds") == "21600";
      exchange.Send(good ? token_status_ : 400, "text/plain", "session");
    } else if (path.starts_with("/latest/meta-data/iam/security-credentials/")) {
      if (exchange.Header("x-aws-ec2-metadata-token") != (token_status_ == 200 ? "session" : "")) {
        exchange.Send(401, "text/plain", "");
      } else if (!has_role_) {
        exchange.Send(404, "text/plain", "");
      } else if (path.ends_with('/')) {
        exchange.Send(200, "text/plain", "node-role\n");
      } else {
        exchange.Send(
            200, "application/json",
            fmt::format(R"({{"Code":"Success","AccessKeyId":"IMDS","SecretAccessKey":"s",)"
                        R"("Token":"t","Expiration":"{}"}})",
                        in(lifetime_)));
      }
    } else if (path == "/container") {
      exchange.Send(last_authorization_ == "pod-token" ? 200 : 403, "application/json",
                    R"({"AccessKeyId":"POD","SecretAccessKey":"s","Token":"t",)"
                    R"("Expiration":"2999-01-01T00:00:00Z"})");
    } else {
      std::string action = http::QueryGet(body, "Action");
      exchange.Send(
          200, "text/xml",
          fmt::format("<{0}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                      "<{0}Result><Credentials><AccessKeyId>STS{1}</AccessKeyId>"
                      "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                      "<Expiration>{2}</Expiration></Credentials></{0}Result></{0}Response>",
                      action, calls_.load(), in(lifetime_)));
    }
    return true;
  }

  void Write(const char* name, std::string_view text) {
    fs::create_directories((root_ / name).parent_path());
    ASSERT_TRUE(WriteFileAtomic(root_ / name, text));
  }
  std::string Key() {
    auto found = AwsCredentialChain(environment_, "eu-west-1", false).Get({});
    return found ? found->access_key_id : found.error().message();
  }

  const TemporaryFolder folder_ = *TemporaryFolder::Make("kinglet-aws");
  const fs::path root_ = folder_.path();
  Environment environment_;
  std::atomic<int> calls_{0};
  std::string last_body_, last_authorization_;
  Duration lifetime_ = std::chrono::hours(1);
  int token_status_ = 200;
  bool has_role_ = true;
  http::TestServer server_;
};

TEST_F(AwsCredentialsTest, NothingAnywhere) { EXPECT_EQ(Key(), ""); }

TEST_F(AwsCredentialsTest, EnvironmentFirst) {
  Write(".aws/credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
  EXPECT_EQ(Key(), "FILE");
  environment_.Set("AWS_ACCESS_KEY_ID", "ENV");
  environment_.Set("AWS_SECRET_ACCESS_KEY", "s");
  EXPECT_EQ(Key(), "ENV");
  EXPECT_EQ(calls_, 0);
}

TEST_F(AwsCredentialsTest, WebIdentity) {
  Write("token", "the-token\n");
  environment_.Set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
  environment_.Set("AWS_WEB_IDENTITY_TOKEN_FILE", (root_ / "token").string());
  EXPECT_EQ(Key(), "STS1");
  EXPECT_EQ(http::QueryGet(last_body_, "Action"), "AssumeRoleWithWebIdentity");
  EXPECT_EQ(http::QueryGet(last_body_, "RoleArn"), "arn:aws:iam::1:role/r");
  EXPECT_EQ(http::QueryGet(last_body_, "WebIdentityToken"), "the-token");
  EXPECT_EQ(last_authorization_, "");
  environment_.Set("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere");
  EXPECT_THAT(Key(), HasSubstr("AWS_WEB_IDENTITY_TOKEN_FILE"));
}

TEST_F(AwsCredentialsTest, RenewedBeforeTheEnd) {
  Write("token", "t");
  environment_.Set("AWS_ROLE_ARN", "r");
  environment_.Set("AWS_WEB_IDENTITY_TOKEN_FILE", (root_ / "token").string());
  AwsCredentialChain chain(environment_, "", false);
  EXPECT_EQ(chain.Get({})->access_key_id, "STS1");
  EXPECT_EQ(chain.Get({})->access_key_id, "STS1");
  EXPECT_FALSE(chain.Renew()) << "too young to be over";
  lifetime_ = Duration::zero();
  AwsCredentialChain short_lived(environment_, "", false);
  EXPECT_EQ(short_lived.Get({})->access_key_id, "STS2");
  EXPECT_EQ(short_lived.Get({})->access_key_id, "STS3");
}

TEST_F(AwsCredentialsTest, ProfilesAndRoles) {
  Write(".aws/credentials",
        "# comment\n[base]\naws_access_key_id=BASE\naws_secret_access_key=s\n\n[plain]\n"
        "aws_access_key_id = PLAIN\naws_secret_access_key = x\n");
  Write(
      ".aws/config",
      "[default]\nregion = us-west-2\n[profile deep]\nrole_arn = arn:deep\nsource_profile = base\n"
      "external_id = 42\ns3 =\n  addressing_style = path\n"
      "[profile loop]\nrole_arn = a\nsource_profile = pool\n"
      "[profile pool]\nrole_arn = a\nsource_profile = loop\n"
      "[profile program]\ncredential_process = /bin/true\n");
  environment_.Set("AWS_PROFILE", "plain");
  EXPECT_EQ(Key(), "PLAIN");
  environment_.Set("AWS_PROFILE", "deep");
  EXPECT_EQ(Key(), "STS1");
  EXPECT_EQ(http::QueryGet(last_body_, "RoleArn"), "arn:deep");
  EXPECT_EQ(http::QueryGet(last_body_, "ExternalId"), "42");
  EXPECT_THAT(last_authorization_, HasSubstr("Credential=BASE/"));
  EXPECT_THAT(last_authorization_, HasSubstr("/eu-west-1/sts/aws4_request"));
  environment_.Set("AWS_PROFILE", "loop");
  EXPECT_THAT(Key(), HasSubstr("name each other"));
  environment_.Set("AWS_PROFILE", "program");
  EXPECT_THAT(Key(), HasSubstr("credential_process"));
  EXPECT_EQ(ReadAwsProfile(environment_, "default")["region"], "us-west-2");
}

TEST_F(AwsCredentialsTest, ContainerAndInstance) {
  environment_.Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.Url("/container"));
  Write("pod", "pod-token\n");
  environment_.Set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", (root_ / "pod").string());
  EXPECT_EQ(Key(), "POD");
  environment_ = Environment({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.Url()}});
  EXPECT_EQ(Key(), "IMDS");
  has_role_ = false;
  EXPECT_EQ(Key(), "");
  has_role_ = true;
  token_status_ = 404;  // version 1
  EXPECT_EQ(Key(), "IMDS");
  environment_.Set("AWS_EC2_METADATA_V1_DISABLED", "true");
  EXPECT_THAT(Key(), HasSubstr("does not answer"));
  token_status_ = 400;
  EXPECT_THAT(Key(), HasSubstr("400"));
  environment_.Set("AWS_EC2_METADATA_DISABLED", "true");
  EXPECT_EQ(Key(), "");
}

// A store whose every answer depends on the request's fields.
TEST(S3, ExpiredTokensSkewAndFields) {
  int token = 0;
  std::map<std::string, int> calls;
  std::vector<std::string> payers;
  bool skewed = true;
  std::string date = "Wed, 01 Jan 2031 00:00:00 GMT";
  std::string key_seen;
  http::TestServer server({}, [&](http::Exchange& exchange) {
    auto error = [&](const char* code) {
      http::Headers fields;
      fields.Add("Date", date);
      exchange.Send(403, "application/xml", fmt::format("<Error><Code>{}</Code></Error>", code),
                    &fields);
    };
    if (exchange.path() == "/container") {
      exchange.Send(200, "application/json",
                    fmt::format(R"({{"AccessKeyId":"K{}","SecretAccessKey":"s","Token":"t",)"
                                R"("Expiration":"{}"}})",
                                ++token,
                                // Over at once, so that each request brings a new one.
                                FormatRfc3339(std::chrono::system_clock::now())));
      return true;
    }
    payers.emplace_back(exchange.Header("x-amz-request-payer"));
    ++calls[std::string(exchange.path())];
    if (skewed && !exchange.Header("x-amz-date").starts_with("2031")) {
      error("RequestTimeTooSkewed");
    } else if (exchange.path() == "/b") {
      exchange.Send(200, "application/xml",
                    "<ListBucketResult><Contents><Key>m</Key><Size>3</Size>"
                    "<ETag>\"e\"</ETag></Contents></ListBucketResult>");
    } else if (calls["/b/m"] == 1) {
      error("ExpiredToken");
    } else {
      key_seen = exchange.Header("x-amz-server-side-encryption-customer-key-md5");
      exchange.Send(200, "application/octet-stream", "abc");
    }
    return true;
  });
  const auto folder = *TemporaryFolder::Make("kinglet-s3");
  const fs::path root = folder.path();
  DownloadOptions options;
  options.fetch.first_backoff = std::chrono::milliseconds(1);
  options.environment =
      Environment({{"AWS_ENDPOINT_URL", server.Url()},
                   {"AWS_CONTAINER_CREDENTIALS_FULL_URI", server.Url("/container")},
                   {"AWS_REQUEST_PAYER", "requester"},
                   {"AWS_SSE_CUSTOMER_KEY_BASE64", Base64Encode(std::string(32, 'k'))}});
  auto result = Download("s3://b/m", root / "m", options);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(*ReadFile(root / "m/m"), "abc");
  EXPECT_GE(token, 3);
  EXPECT_THAT(payers, testing::Each("requester"));
  Digest md5("md5");
  md5.Update(std::string(32, 'k'));
  EXPECT_EQ(key_seen, Base64Encode(md5.Finish()));
}

// Objects that were uploaded in parts have an ETag made of the parts' checksums.
TEST(S3, PartsAreChecked) {
  auto md5 = [](std::string_view bytes) {
    Digest digest("md5");
    digest.Update(bytes);
    return digest.Finish();
  };
  const std::string content = std::string(2500, 'a') + std::string(2500, 'b') + "c";
  std::string of_parts = md5(md5(content.substr(0, 2500)) + md5(content.substr(2500, 2500)) +
                             md5(content.substr(5000)));
  int wrong = 0, gets = 0;
  std::string etag = fmt::format("\"{}-3\"", HexEncode(of_parts));
  http::TestServer server({}, [&](http::Exchange& exchange) {
    http::Headers fields;
    fields.Add("ETag", etag);
    if (exchange.path() == "/b") {
      exchange.Send(200, "application/xml",
                    fmt::format("<ListBucketResult><Contents><Key>m</Key><Size>{}</Size>"
                                "<ETag>{}</ETag></Contents></ListBucketResult>",
                                content.size(), etag));
    } else if (exchange.method() == "HEAD") {
      bool part = http::QueryGet(exchange.query(), "partNumber") == "1";
      exchange.Send(part ? 206 : 200, "application/octet-stream",
                    content.substr(0, part ? 2500 : content.size()), &fields);
    } else {
      ++gets;
      size_t first = 0, last = 0;
      std::sscanf(std::string(exchange.Header("range")).c_str(), "bytes=%zu-%zu", &first, &last);
      std::string body = content.substr(first, last - first + 1);
      if (first == 0 && wrong > 0) body[wrong-- % 7] ^= 1;
      fields.Add("Content-Range", fmt::format("bytes {}-{}/{}", first, last, content.size()));
      exchange.Send(206, "application/octet-stream", body, &fields);
    }
    return true;
  });
  const auto folder = *TemporaryFolder::Make("kinglet-s3");
  const fs::path root = folder.path();
  DownloadOptions options;
  options.fetch.chunk_bytes = 2000;
  options.environment =
      Environment({{"AWS_ENDPOINT_URL", server.Url()}, {"awsAnonymousCredential", "true"}});
  ASSERT_TRUE(Download("s3://b/m", root / "right", options));
  EXPECT_EQ(gets, 3);
  gets = 0;
  wrong = 1;
  ASSERT_TRUE(Download("s3://b/m", root / "once", options));
  EXPECT_EQ(*ReadFile(root / "once/m"), content);
  EXPECT_EQ(gets, 6);
  wrong = 2;  // another byte each time
  auto refused = Download("s3://b/m", root / "twice", options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kDataLoss);
  // Parts of other sizes than the first: nothing but that two downloads are the same can be known.
  gets = 0;
  etag = fmt::format("\"{}-3\"", HexEncode(md5("other parts")));
  ASSERT_TRUE(Download("s3://b/m", root / "odd", options));
  EXPECT_EQ(gets, 6);
  etag = fmt::format("\"{}-2\"", HexEncode(md5("another number of parts")));
  gets = 0;
  ASSERT_TRUE(Download("s3://b/m", root / "two", options));
  EXPECT_EQ(gets, 3);
}

}  // namespace
}  // namespace kinglet::storage
