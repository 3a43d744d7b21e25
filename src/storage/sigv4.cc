#include "storage/sigv4.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "base/encoding.h"
#include "base/text.h"

namespace kinglet::storage {

namespace {

// White space around is removed, runs inside become one space.
std::string Squeeze(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == ' ' || c == '\t') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string Timestamp(WallTime now) {
  time_t seconds = std::chrono::system_clock::to_time_t(now);
  tm parts;
  gmtime_r(&seconds, &parts);
  char text[32];
  size_t size = strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return std::string(text, size);
}

}  // namespace

std::string CanonicalQuery(std::vector<std::pair<std::string, std::string>> query) {
  for (auto& [key, value] : query) {
    key = UrlEncode(key);
    value = UrlEncode(value);
  }
  std::sort(query.begin(), query.end());
  std::string out;
  for (auto& [key, value] : query) {
    if (!out.empty()) out += '&';
    out.append(key).append("=").append(value);
  }
  return out;
}

void SignV4(SigV4Request& request, const AwsCredentials& credentials, std::string_view region,
            std::string_view service, WallTime now) {
  std::string stamp = Timestamp(now);
  std::string date = stamp.substr(0, 8);
  request.headers.Set("X-Amz-Date", stamp);
  if (service == "s3") request.headers.Set("X-Amz-Content-Sha256", request.payload_sha256);
  if (!credentials.session_token.empty()) {
    request.headers.Set("X-Amz-Security-Token", credentials.session_token);
  }
  // Sorted by name; repeated fields keep their order and are joined.
  std::map<std::string, std::string> fields{{"host", request.host}};
  for (auto& [name, value] : request.headers.fields()) {
    auto [it, fresh] = fields.try_emplace(AsciiLower(name), Squeeze(value));
    if (!fresh) it->second += "," + Squeeze(value);
  }
  std::string canonical_fields, signed_names;
  for (auto& [name, value] : fields) {
    canonical_fields += name + ":" + value + "\n";
    if (!signed_names.empty()) signed_names += ';';
    signed_names += name;
  }
  std::string canonical = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path,
                                      CanonicalQuery(request.query), canonical_fields, signed_names,
                                      request.payload_sha256);
  std::string scope = fmt::format("{}/{}/{}/aws4_request", date, region, service);
  std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", stamp, scope, HexEncode(Sha256(canonical)));
  std::string key = HmacSha256("AWS4" + credentials.secret_access_key, date);
  key = HmacSha256(key, region);
  key = HmacSha256(key, service);
  key = HmacSha256(key, "aws4_request");
  request.headers.Set(
      "Authorization",
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                  credentials.access_key_id, scope, signed_names,
                  HexEncode(HmacSha256(key, to_sign))));
}

}  // namespace kinglet::storage
