#include "storage/environment.h"

#include <unistd.h>

#include "base/encoding.h"
#include "base/json.h"

namespace kinglet::storage {

namespace {

bool IsOneOf(std::string value, std::string_view word, std::string_view digit) {
  for (char& c : value) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return value == word || value == digit;
}

}  // namespace

Environment Environment::FromProcess() {
  Environment result;
  for (char** entry = environ; entry && *entry; ++entry) {
    std::string_view text = *entry;
    size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    result.Set(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

std::string Environment::Get(std::string_view name) const {
  auto it = values_.find(name);
  return it == values_.end() ? "" : it->second;
}

bool Environment::IsTrue(std::string_view name) const { return IsOneOf(Get(name), "true", "1"); }
bool Environment::IsFalse(std::string_view name) const { return IsOneOf(Get(name), "false", "0"); }

void Environment::Set(std::string_view name, std::string_view value) {
  values_.insert_or_assign(std::string(name), std::string(value));
}

Status Environment::ApplyHdfs(const Json& config) {
  for (auto& [key, value] : config.AsObject()) {
    std::string text = value.IsString() ? value.AsString() : value.Dump();
    // Files came in Base64.
    if (key == "KERBEROS_KEYTAB" || key == "TLS_CERT" || key == "TLS_KEY" || key == "TLS_CA") {
      std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
      auto bytes = Base64Decode(text);
      if (!bytes) return Unexpected(bytes.error().WithContext(key));
      text = std::move(*bytes);
    }
    Set(fmt::format("{}{}", kHdfsSecretPrefix, key), text);
  }
  return {};
}

Status Environment::ApplyStorageConfig() {
  Json config = Json::MakeObject();
  for (std::string_view name : {"STORAGE_CONFIG", "STORAGE_OVERRIDE_CONFIG"}) {
    std::string text = Get(name);
    if (text.empty()) continue;
    auto parsed = Json::Parse(text);
    if (!parsed) return Unexpected(parsed.error().WithContext(name));
    if (!parsed->IsObject()) return Fail(Code::kInvalidArgument, "{}: not a JSON object", name);
    for (auto& [key, value] : parsed->AsObject()) config.Set(key, value);
  }
  const std::string& type = config["type"].AsString();
  if (type == "hdfs" || type == "webhdfs") return ApplyHdfs(config);
  if (type != "s3") return {};
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"endpoint_url", "AWS_ENDPOINT_URL"},
      {"access_key_id", "AWS_ACCESS_KEY_ID"},
      {"secret_access_key", "AWS_SECRET_ACCESS_KEY"},
      {"region", "AWS_DEFAULT_REGION"},
      {"ca_bundle", "AWS_CA_BUNDLE"},
      {"verify_ssl", "S3_VERIFY_SSL"},
      {"anonymous", "awsAnonymousCredential"},
  };
  for (auto& [key, variable] : kNames) {
    const Json& value = config[key];
    if (value.IsNull()) continue;
    Set(variable, value.IsString() ? value.AsString() : value.Dump());
  }
  return {};
}

}  // namespace kinglet::storage
