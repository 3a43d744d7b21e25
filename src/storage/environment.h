// The environment variables a download sees: the process's, after STORAGE_CONFIG and
// STORAGE_OVERRIDE_CONFIG (JSON from the storage secret and the InferenceService) were merged in.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::storage {

// What the storage secret of type hdfs has: no process's variable begins so.
inline constexpr std::string_view kHdfsSecretPrefix = "hdfs-secret/";

class Environment {
 public:
  Environment() = default;
  explicit Environment(std::map<std::string, std::string, std::less<>> values)
      : values_(std::move(values)) {}
  static Environment FromProcess();

  // "" when unset.
  std::string Get(std::string_view name) const;
  bool Has(std::string_view name) const { return values_.find(name) != values_.end(); }
  // "true" or "1" in any case.
  bool IsTrue(std::string_view name) const;
  // "false" or "0" in any case.
  bool IsFalse(std::string_view name) const;
  void Set(std::string_view name, std::string_view value);

  // For types hdfs and webhdfs the keys become variables with kHdfsSecretPrefix, files decoded.
  // For type s3: endpoint_url, access_key_id ... become AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID ...
  // kInvalidArgument when one of the two is not a JSON object.
  Status ApplyStorageConfig();

 private:
  Status ApplyHdfs(const Json& config);
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace kinglet::storage
