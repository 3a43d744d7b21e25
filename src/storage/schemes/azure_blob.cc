// https://<account>.blob.core.windows.net/<container>/<prefix>: Azure Blob Storage.
// https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
#include <charconv>

#include "base/encoding.h"
#include "base/uri.h"
#include "storage/azure.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

class BlobSource final : public Source {
 public:
  BlobSource(std::string uri, std::unique_ptr<AzureAccount> account)
      : uri_(std::move(uri)), account_(std::move(account)) {}

  // KServe's rules: every blob whose name begins with the prefix, which is cut off with the slashes
  // after it; a blob of exactly that name is the model alone.
  Result<Listing> List(const Context& context) override {
    context_ = context;
    const std::string& prefix = account_->address().path;
    Listing listing;
    std::string marker;
    Pages pages;
    while (true) {
      std::vector<std::pair<std::string, std::string>> query = {
          {"restype", "container"}, {"comp", "list"}, {"include", "metadata"}};
      if (!prefix.empty()) query.emplace_back("prefix", prefix);
      if (!marker.empty()) query.emplace_back("marker", marker);
      auto root = account_->GetXml("", query, context);
      if (!root) return Unexpected(root.error().WithContext(uri_));
      for (const XmlElement& blob : root->Child("Blobs").children) {
        if (blob.name != "Blob" || IsFolder(blob)) continue;
        std::string name = blob.Text("Name");
        if (!name.starts_with(prefix) || name.ends_with('/')) continue;
        KINGLET_TRY(Object object, MakeObject(blob, name));
        if (name == prefix) {
          object.path = name.substr(name.rfind('/') + 1);
          listing.objects.assign(1, std::move(object));
          return listing;
        }
        object.path = name.substr(prefix.size());
        object.path.erase(0, object.path.find_first_not_of('/'));
        KINGLET_RETURN_IF_ERROR(listing.Add(std::move(object)));
      }
      marker = root->Text("NextMarker");
      if (marker.empty()) break;
      KINGLET_RETURN_IF_ERROR(pages.Turn(marker, uri_));
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
    if (!object.etag.empty()) headers.Add("If-Match", object.etag);
    headers.Add("Accept-Encoding", object.gzip ? "gzip" : "identity");
    return account_->Request("GET", object.locator, {}, std::move(headers), context_);
  }

  http::Client& client() override { return account_->client(); }
  bool Renew(const http::ClientResponse& answer) override { return account_->Renew(answer); }

  // The Content-MD5 of an answer is the range's; the object's came with the listing.
  Checksum HeadChecksum(const Object&, const http::ClientResponse&) const override { return {}; }

  Error StatusError(const Object& object, const http::ClientResponse& head) const override {
    bool changed = head.status == 412;
    return Error(changed ? Code::kAborted : CodeFromHttpStatus(head.status),
                 fmt::format("{}/{}: {}", account_->address().container, object.locator,
                             changed ? "the object changed while it was downloaded"
                                     : account_->Explain(head)));
  }

 private:
  // Accounts with a hierarchical namespace list folders as empty blobs.
  static bool IsFolder(const XmlElement& blob) {
    return blob.Child("Metadata").Text("hdi_isfolder") == "true" ||
           blob.Child("Properties").Text("ResourceType") == "directory";
  }

  static Result<Object> MakeObject(const XmlElement& blob, const std::string& name) {
    const XmlElement& properties = blob.Child("Properties");
    Object object{.locator = name, .etag = properties.Text("Etag")};
    if (!object.etag.empty() && !object.etag.starts_with('"'))
      object.etag = '"' + object.etag + '"';
    const std::string& text = properties.Text("Content-Length");
    uint64_t size = 0;
    if (text.empty() ||
        std::from_chars(text.data(), text.data() + text.size(), size).ec != std::errc()) {
      return Fail(Code::kUnavailable, "the listing has no size for {}", name);
    }
    object.size = size;
    auto md5 = Base64Decode(properties.Text("Content-MD5"));
    if (md5 && md5->size() == 16) object.checksum = {"md5", *md5};
    object.gzip = properties.Text("Content-Encoding") == "gzip";
    return object;
  }

  std::string uri_;
  std::unique_ptr<AzureAccount> account_;
  Context context_;  // List's
};

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  KINGLET_TRY(auto account, OpenAzureAccount(uri, "blob", environment));
  return std::make_unique<BlobSource>(RedactUri(uri), std::move(account));
}

}  // namespace

Plugin Plugin_azure_blob() {
  return {.order = 30,
          .prefixes = {},
          .form = "https://{}.blob.core.windows.net/{}/{}",
          .recognises = [](std::string_view uri) { return IsAzureUri(uri, "blob"); },
          .open = Open};
}

}  // namespace kinglet::storage
