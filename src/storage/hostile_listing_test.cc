// The path-safety corpus, listings: servers that name files as no honest store does, for every
// scheme that lists.
#include <functional>

#include "base/encoding.h"
#include "net/http/test_server.h"
#include "storage/hostile.h"

namespace kinglet::storage::hostile {
namespace {

constexpr Expect kContained = Expect::kContained;

struct Entry {
  std::string name;
  std::string size = "1";
  bool folder = false;
};
using Entries = std::vector<Entry>;

std::string Xml(std::string_view text) {
  std::string result;
  for (char c : text) {
    result += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return result;
}

std::string Quoted(std::string_view text) { return Json(text).Dump(); }

// How one scheme shows a listing of the folder "m".
struct Store {
  std::string name, uri;
  std::function<std::string(const Entries&)> page;
  std::string listed_at;  // a part of the target of the listing's request
};

std::vector<Store> Stores() {
  std::vector<Store> stores;
  stores.push_back({"s3", "s3://bucket/m",
                    [](const Entries& entries) {
                      std::string text = "<ListBucketResult><EncodingType>url</EncodingType>";
                      for (const Entry& e : entries) {
                        text += fmt::format(
                            "<Contents><Key>{}</Key><Size>{}</Size><ETag>\"e\"</ETag></Contents>",
                            UrlEncode("m/" + e.name), e.size);
                      }
                      return text + "</ListBucketResult>";
                    },
                    "list-type=2"});
  stores.push_back({"gs", "gs://bucket/m",
                    [](const Entries& entries) {
                      std::string text;
                      for (const Entry& e : entries) {
                        text += fmt::format("{}{{\"name\":{},\"size\":{},\"generation\":\"1\"}}",
                                            text.empty() ? "" : ",", Quoted("m/" + e.name),
                                            Quoted(e.size));
                      }
                      return "{\"items\":[" + text + "]}";
                    },
                    "/o?"});
  stores.push_back({"azure blob", "https://acc.blob.core.windows.net/c/m",
                    [](const Entries& entries) {
                      std::string text = "<EnumerationResults><Blobs>";
                      for (const Entry& e : entries) {
                        text += fmt::format(
                            "<Blob><Name>m/{}</Name><Properties><Content-Length>{}"
                            "</Content-Length></Properties></Blob>",
                            Xml(e.name), e.size);
                      }
                      return text + "</Blobs></EnumerationResults>";
                    },
                    "comp=list"});
  stores.push_back({"azure file", "https://acc.file.core.windows.net/c/m",
                    [](const Entries& entries) {
                      std::string text = "<EnumerationResults><Entries>";
                      for (const Entry& e : entries) {
                        const char* kind = e.folder ? "Directory" : "File";
                        text += fmt::format(
                            "<{0}><Name>{1}</Name><Properties><Content-Length>{2}"
                            "</Content-Length></Properties></{0}>",
                            kind, Xml(e.name), e.size);
                      }
                      return text + "</Entries></EnumerationResults>";
                    },
                    "comp=list"});
  stores.push_back({"webhdfs", "webhdfs://m",
                    [](const Entries& entries) {
                      std::string text;
                      for (const Entry& e : entries) {
                        text += fmt::format("{}{{\"pathSuffix\":{},\"type\":\"{}\",\"length\":{}}}",
                                            text.empty() ? "" : ",", Quoted(e.name),
                                            e.folder ? "DIRECTORY" : "FILE", e.size);
                      }
                      return "{\"FileStatuses\":{\"FileStatus\":[" + text + "]}}";
                    },
                    "op=LISTSTATUS"});
  stores.push_back({"hf", "hf://owner/model",
                    [](const Entries& entries) {
                      std::string text;
                      for (const Entry& e : entries) {
                        text += fmt::format("{}{{\"rfilename\":{},\"size\":{}}}",
                                            text.empty() ? "" : ",", Quoted(e.name), e.size);
                      }
                      return "{\"sha\":\"c\",\"siblings\":[" + text + "]}";
                    },
                    "/api/models/"});
  return stores;
}

class HostileListings : public WorldFixture {
 protected:
  void SetUp() override {
    WorldFixture::SetUp();
    server_ = std::make_unique<http::TestServer>(http::Handler{}, [this](http::Exchange& e) {
      Answer(e);
      return true;
    });
    auto& env = options_.environment;
    std::string url = server_->Url("");
    env.Set("AWS_ENDPOINT_URL", url);
    env.Set("awsAnonymousCredential", "true");
    env.Set("STORAGE_EMULATOR_HOST", url);
    env.Set("AZURE_STORAGE_CONNECTION_STRING",
            fmt::format("BlobEndpoint={0};FileEndpoint={0};AccountName=acc", url));
    env.Set("HDFS_SECRET_DIR", root_.string());
    ASSERT_TRUE(WriteFileAtomic(root_ / "HDFS_NAMENODE", url));
    env.Set("HF_ENDPOINT", url);
    env.Set("KSERVE_OCI_INSECURE_REGISTRY", "true");
  }

  void Answer(http::Exchange& exchange) {
    std::lock_guard lock(mutex_);
    std::string target(exchange.target());
    if (auto blob = blobs_.find(target.substr(target.rfind('/') + 1)); blob != blobs_.end()) {
      return exchange.Send(200, "application/json", blob->second);
    }
    if (!listed_at_.empty() && target.find(listed_at_) != std::string::npos) {
      ++pages_;
      return exchange.Send(200, "application/json", page_);
    }
    if (target.find("op=GETFILESTATUS") != std::string::npos) {
      return exchange.Send(200, "application/json", R"({"FileStatus":{"type":"DIRECTORY"}})");
    }
    if (!location_.empty() && target.find("/go") != std::string::npos) {
      http::Headers fields;
      fields.Add("Location", location_);
      return exchange.Send(302, "text/plain", "", &fields);
    }
    http::Headers fields;
    fields.Add("Content-Disposition", "attachment; filename=\"../../evil\"");
    exchange.Send(200, "application/octet-stream", "x", &fields);
  }

  void List(const Store& store, const std::string& what, const std::string& page, Expect expect,
            std::string says = {}) {
    {
      std::lock_guard lock(mutex_);
      listed_at_ = store.listed_at;
      page_ = page;
    }
    Try(store.uri, {store.name + ": " + what, "", expect, std::move(says)});
  }

  std::mutex mutex_;
  std::string page_, listed_at_, location_;
  std::map<std::string, std::string> blobs_;
  std::atomic<int> pages_ = 0;
  std::unique_ptr<http::TestServer> server_;
};

TEST_F(HostileListings, NamesAreContained) {
  struct Hostile {
    const char* what;
    Entries entries;
    std::string_view taken = "";  // by these schemes; refused by the others
  };
  constexpr std::string_view kAll = "s3 gs azure blob azure file webhdfs hf";
  const std::string nul("ok\0/../../evil", 14);
  std::string deep;
  for (int i = 0; i < 2500; ++i) deep += "a/";
  const std::vector<Hostile> table = {
      {"../evil", {{"../evil"}}},
      {"a/../../evil", {{"a/../../evil"}}},
      {"good, then bad", {{"good"}, {"../secret"}}},
      {"..", {{".."}}},
      // A slash at a name's begin is part of the prefix in some stores, and a folder is given in
      // others.
      {"from the root", {{world_.string() + "/evil"}}, "s3 gs azure blob azure file"},
      {"a backslash", {{"..\\evil"}}},
      {"a drive", {{"C:\\evil"}}},
      {"a new line", {{"a\nb"}}},
      {"an escape sequence", {{"a\x7f[31m"}}},
      {"NUL", {{nul}}},
      {"an over-long part", {{std::string(256, 'n')}}},
      {"5,000 bytes", {{deep + "f"}}},
      {"the marker", {{".kinglet-complete"}}},
      {"the lock of a folder", {{"a/.kinglet-lock"}}},
      {"the staging folder", {{"a/.kinglet-staging/data/x"}}},
      {"twice the same", {{"f"}, {"f"}}},
      {"the same by two names", {{"d/f"}, {"d//f"}}},
      {"a file and below it", {{"f"}, {"f/g"}}},
      {"below it and a file", {{"f/g"}, {"f"}}},
      {"differs in case", {{"A"}, {"a"}}, kAll},
      {"dots", {{"..."}, {"..a/b.."}}, kAll},
      {"encoded dots", {{"%2e%2e/evil"}, {"%2e%2e%2fevil"}}, kAll},
      {"a query", {{"a?alt=media&x=../../evil"}, {"b#../c"}}, ""},
      {"markup", {{"<script>&amp;"}, {"${HOME}`id`"}}, kAll},
      {"a size below zero", {{"f", "-5"}}, "webhdfs hf"},
      {"a size over all", {{"f", "99999999999999999999999"}}},
      {"a size of an exabyte", {{"f", "1152921504606846976"}}},
  };
  for (const Store& store : Stores()) {
    for (const Hostile& hostile : table) {
      bool taken = hostile.taken.find(store.name) != std::string_view::npos;
      List(store, hostile.what, store.page(hostile.entries), taken ? kContained : Expect::kRefused);
    }
  }
  printf("%d hostile listings, each into a new folder and into one with content\n", tried_);
  EXPECT_GE(tried_, 100);
}

TEST_F(HostileListings, FormsAreRefused) {
  for (const Store& store : Stores()) {
    std::string good = store.page({{"f"}});
    bool xml = good.starts_with('<');
    List(store, "cut", good.substr(0, good.size() / 2), Expect::kRefused);
    List(store, "nothing", "", Expect::kRefused);
    List(store, "rubbish", std::string(100, '\xff'), Expect::kRefused);
    List(store, "the other form", xml ? "{\"items\":[]}" : "<a/>", Expect::kRefused);
    std::string nest;
    for (int i = 0; i < 100'000; ++i) nest += xml ? "<a>" : "[";
    List(store, "100,000 levels", nest, Expect::kRefused);
    List(store, "an array for all", xml ? "<a/>" : "[[],{},1]", Expect::kRefused);
    if (xml) {
      List(store, "entities of entities",
           "<!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>", Expect::kRefused);
      List(store, "a file as an entity",
           "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>", Expect::kRefused);
    } else {
      List(store, "names that are no texts",
           store.name == "hf" ? R"({"siblings":[{"rfilename":7},{"rfilename":null},7]})"
           : store.name == "gs"
               ? R"({"items":[{"name":7,"size":"1"},{"name":["../evil"],"size":"1"},null]})"
               : R"({"FileStatuses":{"FileStatus":[{"pathSuffix":{},"type":"FILE"}]}})",
           Expect::kRefused);
    }
    if (store.name == "azure file" || store.name == "webhdfs") {
      List(store, "a folder that is its own", store.page({{".", "1", true}}), Expect::kRefused,
           "too deep");
      List(store, "a folder above", store.page({{"..", "1", true}, {"f"}}), Expect::kRefused);
    }
  }
  printf("%d malformed listings\n", tried_);
}

// A page that names itself as the next one would be asked for for ever, and a listing that is cut
// is no listing.
TEST_F(HostileListings, PagesEnd) {
  auto stores = Stores();
  List(stores[0], "the same page again",
       "<ListBucketResult><Contents><Key>m/f</Key><Size>1</Size></Contents><IsTruncated>true</"
       "IsTruncated>"
       "<NextContinuationToken>t</NextContinuationToken></ListBucketResult>",
       Expect::kRefused, "same page");
  List(stores[0], "a cut listing",
       "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", Expect::kRefused,
       "no next page");
  List(stores[1], "the same page again",
       R"({"items":[{"name":"m/f","size":"1","generation":"1"}],"nextPageToken":"t"})",
       Expect::kRefused, "same page");
  List(stores[2], "the same page again", "<E><Blobs/><NextMarker>t</NextMarker></E>",
       Expect::kRefused, "same page");
  List(stores[3], "the same page again", "<E><Entries/><NextMarker>t</NextMarker></E>",
       Expect::kRefused, "same page");
  EXPECT_LT(pages_, 100);
}

TEST_F(HostileListings, UrisAndRedirects) {
  for (auto& [path, expect] : std::vector<std::pair<std::string, Expect>>{
           {"/a/%2e%2e%2fevil", kContained},
           {"/a/%2e%2e", kContained},
           {"/a/..%5cevil", kContained},
           {"/a/..", Expect::kRefused},
           {"/a/.kinglet-complete", Expect::kRefused},
           {"/a/ok%00/..", Expect::kRefused},
           {"/a/" + std::string(300, 'n'), Expect::kRefused},
           {"/a/b?name=../../evil", kContained}}) {
    Try(server_->Url(path), {"http: " + path, "", expect});
  }
  for (const char* location :
       {"file:///etc/passwd", "file://secret", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "//",
        "http://", "dict://127.0.0.1:11211/"}) {
    location_ = location;
    Try(server_->Url("/go"), {fmt::format("http: redirect to {}", location), ""});
  }
  location_ = "/go";
  Try(server_->Url("/go"), {"http: redirect to itself", ""});
  location_ = "/a/../../../evil";  // the name is the URI's, not the redirect's
  Try(server_->Url("/go"), {"http: redirect to another name", "", kContained});
}

TEST_F(HostileListings, ImagesAreContained) {
  auto sha256 = [](std::string_view bytes) { return "sha256:" + HexEncode(Sha256(bytes)); };
  // The image of these layers, as the manifest "latest".
  auto image = [&](const std::vector<std::string>& layers) {
    blobs_.clear();
    Json manifest = Json::MakeObject({{"schemaVersion", 2}, {"layers", Json::Array{}}});
    for (const std::string& layer : layers) {
      blobs_[sha256(layer)] = layer;
      manifest.Ref("layers").Push(
          Json::MakeObject({{"digest", sha256(layer)}, {"size", layer.size()}}));
    }
    blobs_["latest"] = manifest.Dump();
  };
  std::string uri = fmt::format("oci://{}/team/model", server_->Url("").substr(7));
  auto layers = [&](std::string what, const std::vector<std::vector<TarEntry>>& all,
                    Expect expect = Expect::kRefused) {
    std::vector<std::string> bytes;
    for (auto& entries : all) bytes.push_back(Tar(entries));
    image(bytes);
    Try(uri, {"oci: " + what, "", expect});
  };
  TarEntry good{"models/a", "x"};
  auto sym = [](std::string name, std::string to) { return TarEntry{name, "", '2', to}; };
  layers("a name that leaves", {{good, {"models/../../evil", "x"}}});
  layers("a name that leaves, deep", {{good, {"models/a/../../evil", "x"}}});
  layers("names outside models", {{good, {"../evil", "x"}, {world_.string() + "/evil", "x"}}},
         kContained);
  layers("a link from the root", {{good, sym("models/l", world_.string() + "/secret")}});
  layers("a link that leaves", {{good, sym("models/l", "../secret")}});
  layers("a link, then a file through it", {{good, sym("models/l", "d")}, {{"models/l/x", "x"}}},
         kContained);
  layers("a link out, then a file through it",
         {{good, sym("models/l", "..")}, {{"models/l/evil", "x"}}});
  layers("links of two layers that lead out",
         {{good, sym("models/d", ".")}, {sym("models/x", "d/..")}});
  layers("models as a link", {{sym("models", "../..")}, {{"models/evil", "x"}}}, kContained);
  layers("whiteouts of what is above",
         {{good}, {{"models/.wh...", ""}, {"models/.wh..", ""}, {"models/.wh.", ""}}}, kContained);
  layers("a whiteout with a slash", {{good}, {{"models/.wh.../secret", "x"}}}, kContained);
  layers("a whiteout through a link",
         {{good, {"models/d/x", "x"}, sym("models/l", "d")}, {{"models/l/.wh.x", ""}}}, kContained);
  layers("the marker", {{good, {"models/.kinglet-complete", "{}"}}});
  layers("a device", {{good, {"models/d", "", '3'}}});
  layers("a hard link", {{good, {"models/h", "", '1', "../secret"}}});
  layers("a hard link into models", {{{"etc/x", "x"}, good, {"models/h", "", '1', "etc/x"}}});
  image({"not a tar"});
  Try(uri, {"oci: a layer that is none", ""});
  std::string layer = Tar({good});
  for (auto& [digest, size] : std::vector<std::pair<std::string, std::string>>{
           {"sha256:../../evil", "1"},
           {"../../evil", "1"},
           {"sha256:00", "1"},
           {"md5:00", "1"},
           {sha256(layer), "-1"},
           {sha256(layer), "1152921504606846976"},
           {sha256(layer), "\"1\""},
           {sha256(layer), "7"},
           {sha256("other"), std::to_string(layer.size())}}) {
    image({layer});
    blobs_["latest"] = fmt::format(R"({{"layers":[{{"digest":"{}","size":{}}}]}})", digest, size);
    Try(uri, {fmt::format("oci: digest {} size {}", digest, size), ""});
  }
  for (const char* manifest :
       {"", "{", "[]", "{}", R"({"layers":7})", R"({"layers":[[]]})", R"({"manifests":[{}]})",
        R"({"manifests":[{"digest":"latest"}]})", R"({"manifests":[{"digest":"../../latest"}]})"}) {
    image({});
    blobs_["latest"] = manifest;
    Try(uri, {fmt::format("oci: the manifest {}", manifest), ""});
  }
  printf("%d hostile images\n", tried_);
}

}  // namespace
}  // namespace kinglet::storage::hostile
