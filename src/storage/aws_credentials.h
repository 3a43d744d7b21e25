// Where AWS credentials come from, in the order of the AWS SDKs: the environment, a web identity
// (IRSA) exchanged at STS, a profile of the shared files, the container's endpoint (ECS, EKS pod
// identity), the instance's metadata service (version 2).
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "storage/environment.h"
#include "storage/renewed.h"
#include "storage/sigv4.h"

namespace kinglet::storage {

// One section of the shared configuration and credentials files, keys in lower case. The
// credentials file wins where both have a key. Empty when there is no such section.
using AwsProfile = std::map<std::string, std::string, std::less<>>;
AwsProfile ReadAwsProfile(const Environment& environment, std::string_view name);
// Whether the text looks like a region's name. It becomes a part of the names of hosts that get
// tokens.
bool IsAwsRegion(std::string_view text);
// AWS_PROFILE, else "default".
std::string AwsProfileName(const Environment& environment);
// The sections of such a file, by name without "profile ".
std::map<std::string, AwsProfile, std::less<>> ParseAwsFile(std::string_view text);

class AwsCredentialChain {
 public:
  // `metadata`: whether the instance's metadata service may be asked although nothing names it.
  AwsCredentialChain(Environment environment, std::string region, bool metadata);

  // An empty access_key_id when there are none anywhere. Thread-safe.
  Result<AwsCredentials> Get(const Context& context) { return current_.Get(context); }
  // After the store refused them: whether the next Get gives other ones.
  bool Renew() { return current_.Drop(); }

 private:
  using Found = Result<Expiring<AwsCredentials>>;
  Found Find(const Context& context);
  Found FromProfile(std::string_view name, const Context& context, int depth);
  Found WebIdentity(const std::string& role, const std::string& token_file,
                    const std::string& session, const Context& context);
  Found AssumeRole(const AwsProfile& profile, const AwsCredentials& with, const Context& context);
  Found Sts(std::vector<std::pair<std::string, std::string>> fields, const AwsCredentials* signer,
            const Context& context);
  Found Container(const Context& context);
  Found Instance(const Context& context);

  Environment environment_;
  std::string region_;
  bool metadata_;
  Renewed<AwsCredentials> current_;
};

}  // namespace kinglet::storage
