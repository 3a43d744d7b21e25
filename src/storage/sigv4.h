// AWS Signature Version 4 for requests of S3 and STS.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/http/message.h"

namespace kinglet::storage {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // temporary credentials
};

struct SigV4Request {
  std::string method = "GET";
  std::string host;  // Host field, with a port that is not the scheme's own
  std::string path;  // percent-encoded, begins with "/"
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  http::Headers headers;                                   // all of them are signed; Host is added
  std::string payload_sha256;                              // hexadecimal, or UNSIGNED-PAYLOAD
};

// Adds x-amz-date, x-amz-content-sha256 (service s3), x-amz-security-token and Authorization to
// `request.headers`.
void SignV4(SigV4Request& request, const AwsCredentials& credentials, std::string_view region,
            std::string_view service, WallTime now);

// Key and value percent-encoded and sorted, as it must stand in the URL.
std::string CanonicalQuery(std::vector<std::pair<std::string, std::string>> query);

inline constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace kinglet::storage
