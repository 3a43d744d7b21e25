#include "storage/scheme.h"

#include <algorithm>

#include "storage/limits.h"

namespace kinglet::storage {

std::string DescribeStatus(const http::ClientResponse& response) {
  std::string text =
      fmt::format("HTTP {} {}", response.status, http::ReasonPhrase(response.status));
  if (!response.body.empty()) {
    std::string body = response.body.substr(0, 300);
    std::replace_if(
        body.begin(), body.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    text += ": " + body;
  }
  return text;
}

bool RetryableStatus(int status) {
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501);
}

Status Listing::Add(Object object) {
  name_bytes += object.path.size() + object.locator.size() + object.etag.size();
  if (objects.size() >= kMaxNames || name_bytes > 2 * kMaxNameBytes) {
    return Fail(Code::kFailedPrecondition,
                "the listing has over {} objects, or their names are over {} bytes", kMaxNames,
                2 * kMaxNameBytes);
  }
  objects.push_back(std::move(object));
  return {};
}

Error Source::StatusError(const Object& object, const http::ClientResponse& head) const {
  return Error(CodeFromHttpStatus(head.status),
               fmt::format("{}: {}", object.locator, DescribeStatus(head)));
}

Result<std::vector<StagedFile>> Source::Assemble(int, int, const ArchiveLimits&, std::stop_token) {
  return Fail(Code::kInternal, "this scheme's objects are its files");
}

}  // namespace kinglet::storage
