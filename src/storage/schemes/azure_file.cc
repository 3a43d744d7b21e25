// https://<account>.file.core.windows.net/<share>/<path>: Azure Files.
// https://learn.microsoft.com/rest/api/storageservices/file-service-rest-api
#include <charconv>
#include <deque>

#include "base/uri.h"
#include "storage/azure.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr size_t kMaxPages = 100'000;  // of all folders together
constexpr size_t kMaxDepth = 64;

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

class FileShareSource final : public Source {
 public:
  FileShareSource(std::string uri, std::unique_ptr<AzureAccount> account)
      : uri_(std::move(uri)), account_(std::move(account)) {}

  // As KServe: all files below the folder, with their whole path in the share. A path that is a
  // file's is that file.
  Result<Listing> List(const Context& context) override {
    context_ = context;
    Listing listing;
    const std::string& top = account_->address().path;
    std::deque<std::pair<std::string, size_t>> folders = {{top, 0}};
    for (size_t page = 0; !folders.empty(); folders.pop_front()) {
      auto [folder, depth] = folders.front();
      std::string marker;
      Pages pages;
      do {
        if (++page > kMaxPages || depth > kMaxDepth) {
          return Fail(Code::kFailedPrecondition, "{} has too many or too deep folders", uri_);
        }
        std::vector<std::pair<std::string, std::string>> query = {{"restype", "directory"},
                                                                  {"comp", "list"}};
        if (!marker.empty()) query.emplace_back("marker", marker);
        auto root = account_->GetXml(folder, query, context);
        if (!root && root.error().code() == Code::kNotFound && folder == top && !top.empty()) {
          return OneFile(context);
        }
        if (!root) return Unexpected(root.error().WithContext(uri_));
        for (const XmlElement& entry : root->Child("Entries").children) {
          std::string path =
              folder.empty() ? entry.Text("Name") : folder + "/" + entry.Text("Name");
          if (folders.size() > kMaxPages) {
            return Fail(Code::kFailedPrecondition, "{} has too many folders", uri_);
          }
          if (entry.name == "Directory") folders.emplace_back(path, depth + 1);
          if (entry.name != "File") continue;
          auto size = Number(entry.Child("Properties").Text("Content-Length"));
          if (!size) return Fail(Code::kUnavailable, "the listing has no size for {}", path);
          KINGLET_RETURN_IF_ERROR(listing.Add({.path = path, .locator = path, .size = *size}));
        }
        marker = root->Text("NextMarker");
        if (!marker.empty()) KINGLET_RETURN_IF_ERROR(pages.Turn(marker, uri_));
      } while (!marker.empty());
    }
    if (listing.objects.empty()) {
      return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", uri_);
    }
    return listing;
  }

  Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                   bool whole) override {
    http::Headers headers;
    if (!whole) headers.Add("x-ms-range", fmt::format("bytes={}-{}", first, first + count - 1));
    headers.Add("Accept-Encoding", "identity");
    return account_->Request("GET", object.locator, {}, std::move(headers), context_);
  }

  http::Client& client() override { return account_->client(); }
  bool Renew(const http::ClientResponse& answer) override { return account_->Renew(answer); }

  Checksum WholeChecksum(const Object& object, const Context& context) override {
    auto request = account_->Request("HEAD", object.locator, {}, {}, context);
    if (!request) return {};
    auto response = client().Do(*request, 0);
    if (!response || response->status != 200) return {};
    return ChecksumFromHeaders(response->headers);
  }

  Error StatusError(const Object& object, const http::ClientResponse& head) const override {
    return Error(CodeFromHttpStatus(head.status),
                 fmt::format("{}/{}: {}", account_->address().container, object.locator,
                             account_->Explain(head)));
  }

 private:
  Result<Listing> OneFile(const Context& context) {
    const std::string& path = account_->address().path;
    KINGLET_TRY(auto request, account_->Request("HEAD", path, {}, {}, context));
    KINGLET_TRY(auto response, client().Do(request, 0));
    auto size = Number(response.headers.Get("content-length"));
    if (response.status != 200 || !size) {
      return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", uri_);
    }
    Listing listing;
    listing.objects.push_back({.path = path,
                               .locator = path,
                               .size = *size,
                               .etag = std::string(response.headers.Get("etag"))});
    return listing;
  }

  std::string uri_;
  std::unique_ptr<AzureAccount> account_;
  Context context_;  // List's
};

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  KINGLET_TRY(auto account, OpenAzureAccount(uri, "file", environment));
  return std::make_unique<FileShareSource>(RedactUri(uri), std::move(account));
}

}  // namespace

Plugin Plugin_azure_file() {
  return {.order = 30,
          .prefixes = {},
          .form = "https://{}.file.core.windows.net/{}/{}",
          .recognises = [](std::string_view uri) { return IsAzureUri(uri, "file"); },
          .open = Open};
}

}  // namespace kinglet::storage
