// hdfs:// and webhdfs://: files of Hadoop through WebHDFS. The name node and the rest come from the
// storage secret, as KServe's: HDFS_NAMENODE, HDFS_ROOTPATH, USER_PROXY, HEADERS, TLS_*,
// KERBEROS_PRINCIPAL and KERBEROS_KEYTAB.
// https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
#include <deque>
#include <set>

#include "base/encoding.h"
#include "base/file.h"
#include "base/text.h"
#include "base/uri.h"
#include "storage/kerberos.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr std::string_view kHdfs = "hdfs://", kWebHdfs = "webhdfs://";
constexpr std::string_view kSecretFolder = "/var/secrets/kserve-hdfscreds";
constexpr size_t kMaxSecret = 1 << 20;
constexpr size_t kMaxListing = size_t{256} << 20;
constexpr size_t kMaxFolders = 100'000, kMaxDepth = 64;

// A value of the storage secret: of STORAGE_CONFIG, or a file of the mounted secret; "" when
// absent.
std::string Secret(const Environment& environment, std::string_view name) {
  std::string key = fmt::format("{}{}", kHdfsSecretPrefix, name);
  if (environment.Has(key)) return environment.Get(key);
  std::string folder = environment.Get("HDFS_SECRET_DIR");
  if (folder.empty()) folder = kSecretFolder;
  return ReadFile(fmt::format("{}/{}", folder, name), kMaxSecret).value_or("");
}

std::string TrimmedSecret(const Environment& environment, std::string_view name) {
  std::string text = Secret(environment, name);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.pop_back();
  return text;
}

struct Settings {
  std::vector<std::string>
      name_nodes;  // without "/" at the end; the second is for high availability
  std::vector<std::pair<std::string, std::string>> query;  // who asks
  http::Headers headers;
  std::unique_ptr<KerberosTicket> ticket;  // null: the name node is told who asks
};

class HdfsSource final : public Source {
 public:
  HdfsSource(std::string uri, std::string path, Settings settings,
             std::unique_ptr<http::Client> client)
      : uri_(std::move(uri)),
        path_(std::move(path)),
        settings_(std::move(settings)),
        client_(std::move(client)) {}

  Result<Listing> List(const Context& context) override {
    context_ = context;
    KINGLET_TRY(Json status, FindNameNode());
    const Json& top = status["FileStatus"];
    Listing listing;
    if (top["type"].AsString() == "FILE") {
      listing.objects.push_back(MakeObject(top, path_.substr(path_.rfind('/') + 1), path_));
      return listing;
    }
    std::deque<std::pair<std::string, size_t>> folders = {{"", 0}};  // relative, and its depth
    for (size_t count = 0; !folders.empty(); folders.pop_front()) {
      auto [folder, depth] = folders.front();
      if (++count > kMaxFolders || depth > kMaxDepth) {
        return Fail(Code::kFailedPrecondition, "{} has too many or too deep folders", uri_);
      }
      KINGLET_TRY(Json answer, Ask(path_ + (folder.empty() ? "" : "/" + folder), "LISTSTATUS"));
      for (const Json& entry : answer["FileStatuses"]["FileStatus"].AsArray()) {
        const std::string& name = entry["pathSuffix"].AsString();
        std::string path = folder.empty() ? name : folder + "/" + name;
        if (folders.size() > kMaxFolders) {
          return Fail(Code::kFailedPrecondition, "{} has too many folders", uri_);
        }
        if (entry["type"].AsString() == "DIRECTORY") {
          folders.emplace_back(std::move(path), depth + 1);
        } else if (entry["type"].AsString() == "FILE") {
          KINGLET_RETURN_IF_ERROR(listing.Add(MakeObject(entry, path, path_ + "/" + path)));
        }
      }
    }
    if (listing.objects.empty()) {
      return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", uri_);
    }
    return listing;
  }

  // The name node answers with a redirect to the data node that has the bytes.
  Result<http::ClientRequest> Read(const Object& object, uint64_t first, uint64_t count,
                                   bool whole) override {
    KINGLET_TRY(auto request, Request(object.locator, "OPEN"));
    if (!whole) request.url += fmt::format("&offset={}&length={}", first, count);
    return request;
  }

  http::Client& client() override { return *client_; }
  bool range_by_query() const override { return true; }
  bool checksums_by_request() const override { return true; }

  // https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html#Get_File_Checksum
  Checksum WholeChecksum(const Object& object, const Context& context) override {
    if (!object.size || *object.size == 0 || uncheckable_.contains(object.locator)) return {};
    auto request = Request(object.locator, "GETFILECHECKSUM");
    if (!request) return {};
    request->stop = context.stop;
    auto response = client_->Do(*request, kMaxSecret);
    if (!response || response->status != 200) return {};
    auto json = Json::Parse(response->body);
    return json ? ReadChecksum((*json)["FileChecksum"]) : Checksum{};
  }

  Error StatusError(const Object& object, const http::ClientResponse& head) const override {
    return Refusal(object.locator, head);
  }

 private:
  // "MD5-of-262144MD5-of-512CRC32C", whose bytes are those two numbers again (here 512 first; 0 for
  // the CRCs of a block of a file with one) and the value.
  static Checksum ReadChecksum(const Json& given) {
    const std::string& name = given["algorithm"].AsString();
    auto bytes = HexDecode(given["bytes"].AsString());
    if (!name.starts_with("MD5-of-") || !bytes || bytes->size() != 28) return {};
    auto number = [&](size_t at, size_t count) {
      uint64_t value = 0;
      for (size_t i = at; i < at + count; ++i) {
        value = value << 8 | static_cast<unsigned char>((*bytes)[i]);
      }
      return value;
    };
    Checksum checksum{.value = bytes->substr(12), .cell_size = number(0, 4), .tentative = true};
    checksum.part_size = number(4, 8) * checksum.cell_size;
    if (name.ends_with("CRC32C")) checksum.algorithm = "hdfs-crc32c";
    if (name.ends_with("CRC32")) checksum.algorithm = "hdfs-crc32";
    return checksum;
  }

  Object MakeObject(const Json& status, std::string path, std::string locator) {
    // The checksum is of what the data nodes hold: of ciphertext, or of stripes.
    if (status["encBit"].AsBool() || status["ecBit"].AsBool()) uncheckable_.insert(locator);
    return {
        .path = std::move(path),
        .locator = std::move(locator),
        .size = static_cast<uint64_t>(std::max<int64_t>(status["length"].AsInt(), 0)),
        .etag = fmt::format("{}-{}", status["fileId"].AsInt(), status["modificationTime"].AsInt())};
  }

  // To be sent by the calling thread: a ticket is a thread's.
  Result<http::ClientRequest> Request(std::string_view path, std::string_view operation) const {
    std::vector<std::pair<std::string, std::string>> query = {{"op", std::string(operation)}};
    query.insert(query.end(), settings_.query.begin(), settings_.query.end());
    http::ClientRequest request;
    request.url = fmt::format("{}/webhdfs/v1{}?{}", settings_.name_nodes[active_],
                              UrlEncode(path, "/"), FormEncode(query));
    request.headers = settings_.headers;
    request.headers.Add("Accept-Encoding", "identity");
    request.stop = context_.stop;
    request.deadline = context_.deadline;
    request.stall_timeout = context_.stall_timeout;
    if (settings_.ticket) {
      KINGLET_RETURN_IF_ERROR(settings_.ticket->UseOnThisThread());
      request.negotiate = true;
    }
    return request;
  }

  static Error Refusal(std::string_view path, const http::ClientResponse& response) {
    auto json = Json::Parse(response.body);
    const Json none;
    const Json& remote = json ? (*json)["RemoteException"] : none;
    if (!remote.IsObject()) {
      return Error(CodeFromHttpStatus(response.status),
                   fmt::format("{}: {}", path, DescribeStatus(response)));
    }
    bool retriable = remote["exception"].AsString() == "RetriableException" ||
                     remote["exception"].AsString() == "StandbyException";
    return Error(retriable ? Code::kUnavailable : CodeFromHttpStatus(response.status),
                 fmt::format("{}: {}: {}", path, remote["exception"].AsString(),
                             remote["message"].AsString()));
  }

  Result<Json> Ask(std::string_view path, std::string_view operation) {
    KINGLET_TRY(auto request, Request(path, operation));
    KINGLET_TRY(auto response, client_->Do(request, kMaxListing));
    if (response.status != 200) return Unexpected(Refusal(path, response));
    auto json = ParseListing(response.body);
    if (!json) return Unexpected(json.error().WithContext(uri_));
    return json;
  }

  // The status of the path from the first name node that is active.
  Result<Json> FindNameNode() {
    for (active_ = 0;; ++active_) {
      auto status = Ask(path_, "GETFILESTATUS");
      bool other = !status && status.error().code() == Code::kUnavailable &&
                   active_ + 1 < settings_.name_nodes.size();
      if (!other) return status;
    }
  }

  std::string uri_, path_;
  Settings settings_;
  size_t active_ = 0;                  // set by List
  std::set<std::string> uncheckable_;  // so
  std::unique_ptr<http::Client> client_;
  Context context_;  // List's
};

Result<Settings> ReadSettings(const Environment& environment) {
  Settings settings;
  std::string nodes = TrimmedSecret(environment, "HDFS_NAMENODE");
  while (!nodes.empty()) {
    size_t end = nodes.find_first_of(";,");
    std::string node = nodes.substr(0, end);
    nodes.erase(0, end == std::string::npos ? nodes.size() : end + 1);
    while (node.ends_with('/')) node.pop_back();
    if (!Uri::Parse(node))
      return Fail(Code::kInvalidArgument, "HDFS_NAMENODE is not a URL: {}", RedactUri(node));
    settings.name_nodes.push_back(std::move(node));
  }
  if (settings.name_nodes.empty()) {
    return Fail(
        Code::kFailedPrecondition,
        "HDFS_NAMENODE is not set: give the storage secret (STORAGE_CONFIG, or mounted at {})",
        kSecretFolder);
  }
  if (std::string principal = TrimmedSecret(environment, "KERBEROS_PRINCIPAL");
      !principal.empty()) {
    std::string keytab = Secret(environment, "KERBEROS_KEYTAB");
    if (keytab.empty()) {
      return Fail(Code::kFailedPrecondition,
                  "the storage secret has KERBEROS_PRINCIPAL and no KERBEROS_KEYTAB");
    }
    KINGLET_TRY(settings.ticket, KerberosTicket::Make(std::move(principal), std::move(keytab)));
  }
  if (std::string user = environment.Get("HADOOP_USER_NAME"); !user.empty()) {
    settings.query.emplace_back("user.name", user);
  }
  if (std::string proxied = TrimmedSecret(environment, "USER_PROXY"); !proxied.empty()) {
    settings.query.emplace_back("doas", proxied);
  }
  if (std::string text = TrimmedSecret(environment, "HEADERS"); !text.empty()) {
    auto json = Json::Parse(text);
    if (!json) return Unexpected(json.error().WithContext("HEADERS"));
    for (auto& [name, value] : json->AsObject()) settings.headers.Add(name, value.AsString());
  }
  return settings;
}

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  std::string path(uri.substr(uri.starts_with(kHdfs) ? kHdfs.size() : kWebHdfs.size()));
  while (path.ends_with('/')) path.pop_back();
  std::string root = TrimmedSecret(environment, "HDFS_ROOTPATH");
  while (root.ends_with('/')) root.pop_back();
  // A path that begins at the root stays; others are below HDFS_ROOTPATH.
  if (!path.starts_with('/')) path = root + "/" + path;
  KINGLET_TRY(Settings settings, ReadSettings(environment));
  KINGLET_TRY(auto options, WebOptions(environment));
  options.max_redirects = 5;
  options.cert_pem = Secret(environment, "TLS_CERT");
  options.key_pem = Secret(environment, "TLS_KEY");
  options.ca_pem = Secret(environment, "TLS_CA");
  if (!options.ca_pem.empty()) options.ca_file.clear();
  options.insecure_skip_verify =
      AsciiLower(TrimmedSecret(environment, "TLS_SKIP_VERIFY")) == "true";
  return std::make_unique<HdfsSource>(RedactUri(uri), std::move(path), std::move(settings),
                                      http::Client::Make(std::move(options)));
}

}  // namespace

Plugin Plugin_hdfs() {
  return {.order = 20, .prefixes = {kHdfs, kWebHdfs}, .form = "", .open = Open};
}

}  // namespace kinglet::storage
