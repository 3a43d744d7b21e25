// WebHDFS and container registries against servers that check what they are asked.
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <filesystem>

#include "base/encoding.h"
#include "net/http/test_server.h"
#include "storage/oci_registry.h"
#include "storage/testing.h"

namespace kinglet::storage {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class RemoteTest : public DownloadFixture {
 protected:
  void Serve(std::function<void(http::Exchange&)> answer) {
    server_ = std::make_unique<http::TestServer>(http::Handler{}, [answer](http::Exchange& e) {
      answer(e);
      return true;
    });
  }

  std::unique_ptr<http::TestServer> server_;
};

TEST_F(RemoteTest, WebHdfs) {
  std::string big(2500, 'b');
  const std::string big_was = big;
  int opened = 0;
  std::vector<std::string> refused;
  Serve([&](http::Exchange& exchange) {
    std::string query(exchange.query()), op = http::QueryGet(query, "op");
    std::string path = *UrlDecode(exchange.path());
    auto remote = [&](int status, const char* exception) {
      exchange.Send(
          status, "application/json",
          fmt::format(R"({{"RemoteException":{{"exception":"{}","message":"why"}}}})", exception));
    };
    if (path.starts_with("/standby/")) return remote(403, "StandbyException");
    if (path.starts_with("/data/")) {  // a data node
      size_t offset = 0, length = big.size();
      std::string text = http::QueryGet(query, "offset");
      if (!text.empty()) {
        offset = std::stoul(text);
        length = std::stoul(http::QueryGet(query, "length"));
      }
      std::string content = path.ends_with("/big") ? big : "s";
      return exchange.Send(200, "application/octet-stream", content.substr(offset, length));
    }
    if (http::QueryGet(query, "doas") != "alice" || exchange.Header("x-team") != "ml") {
      refused.push_back(query);
      return remote(403, "AccessControlException");
    }
    auto file = [](const char* name, size_t size) {
      return fmt::format(R"({{"pathSuffix":"{}","type":"FILE","length":{},"fileId":1,)"
                         R"("modificationTime":2}})",
                         name, size);
    };
    path.erase(0, std::string_view("/webhdfs/v1").size());
    if (op == "GETFILECHECKSUM") {
      // MD5 of the MD5 of each block's CRCs, in a buffer of 32 bytes.
      auto md5 = [](const std::string& bytes) {
        Digest digest("md5");
        digest.Update(bytes);
        return digest.Finish();
      };
      auto sum = [&](const std::string& content) {
        std::string crcs;
        for (size_t at = 0; at < content.size(); at += 512) {
          uint32_t crc = Crc32c(content.substr(at, 512));
          for (int shift : {24, 16, 8, 0}) crcs += static_cast<char>(crc >> shift);
        }
        return md5(md5(crcs) + std::string(16, '\0'));
      };
      std::string value = sum(path.ends_with("/big") ? big_was : "s");
      return exchange.Send(
          200, "application/json",
          fmt::format(R"({{"FileChecksum":{{"algorithm":"MD5-of-0MD5-of-512CRC32C",)"
                      R"("bytes":"{}","length":28}}}})",
                      "00000200" + std::string(16, '0') + HexEncode(value)));
    }
    if (op == "OPEN") {
      ++opened;
      http::Headers fields;
      fields.Add("Location", server_->Url("/data" + path + "?" + query));
      return exchange.Send(307, "text/plain", "", &fields);
    }
    bool folder = path == "/models/m" || path == "/models/m/sub dir";
    if (op == "GETFILESTATUS" && folder) {
      exchange.Send(200, "application/json",
                    R"({"FileStatus":{"pathSuffix":"","type":"DIRECTORY","length":0}})");
    } else if (op == "GETFILESTATUS" && path == "/models/m/big") {
      exchange.Send(200, "application/json",
                    fmt::format(R"({{"FileStatus":{}}})", file("", big.size())));
    } else if (op == "LISTSTATUS" && path == "/models/m") {
      exchange.Send(200, "application/json",
                    fmt::format(R"({{"FileStatuses":{{"FileStatus":[{},)"
                                R"({{"pathSuffix":"sub dir","type":"DIRECTORY"}}]}}}})",
                                file("big", big.size())));
    } else if (op == "LISTSTATUS" && path == "/models/m/sub dir") {
      exchange.Send(200, "application/json",
                    fmt::format(R"({{"FileStatuses":{{"FileStatus":[{}]}}}})", file("small", 1)));
    } else {
      remote(404, "FileNotFoundException");
    }
  });
  EXPECT_THAT(Get("hdfs://m")["error"], HasSubstr("HDFS_NAMENODE is not set"));
  Json config =
      Json::MakeObject({{"type", "webhdfs"},
                        {"HDFS_NAMENODE", server_->Url("/standby") + ";" + server_->Url("")},
                        {"HDFS_ROOTPATH", "/models"},
                        {"USER_PROXY", "alice"},
                        {"HEADERS", R"({"X-Team":"ml"})"}});
  options_.environment.Set("STORAGE_CONFIG", config.Dump());
  Files model = {{"big", big}, {"sub dir/small", "s"}};
  EXPECT_EQ(Get("hdfs://m"), model);
  EXPECT_EQ(opened, 4);  // three ranges and the small one
  EXPECT_EQ(Get("webhdfs:///models/m/"), model);
  EXPECT_EQ(opened, 8);
  EXPECT_EQ(Get("webhdfs://m/big"), (Files{{"big", big}}));
  EXPECT_EQ(opened, 11);
  // A checksum that does not fit: all of it twice. How blocks were cut is never sure, so what came
  // the same twice is taken.
  big[7] = 'x';
  EXPECT_EQ(Get("webhdfs://m/big"), (Files{{"big", big}}));
  EXPECT_EQ(opened, 17);
  big = big_was;
  EXPECT_THAT(Get("hdfs://none")["error"], HasSubstr("FileNotFoundException: why"));
  options_.environment.Set("STORAGE_CONFIG", "");
  options_.environment.Set("HDFS_SECRET_DIR", root_.string());
  ASSERT_TRUE(WriteFileAtomic(root_ / "HDFS_NAMENODE", server_->Url("") + "\n"));
  ASSERT_TRUE(WriteFileAtomic(root_ / "USER_PROXY", "alice"));
  ASSERT_TRUE(WriteFileAtomic(root_ / "HEADERS", R"({"X-Team":"ml"})"));
  EXPECT_EQ(Get("hdfs://models/m"), model);
  ASSERT_TRUE(WriteFileAtomic(root_ / "USER_PROXY", "mallory"));
  EXPECT_THAT(Get("hdfs://models/m")["error"], HasSubstr("AccessControlException"));
}

struct Entry {
  std::string name, content;
  bool link = false;
};

std::string Layer(const std::vector<Entry>& entries, bool packed) {
  std::string bytes(1 << 20, '\0');
  size_t used = 0;
  archive* a = archive_write_new();
  archive_write_set_format_pax_restricted(a);
  if (packed) archive_write_add_filter_gzip(a);
  archive_write_open_memory(a, bytes.data(), bytes.size(), &used);
  for (const Entry& entry : entries) {
    archive_entry* e = archive_entry_new();
    archive_entry_set_pathname(e, entry.name.c_str());
    archive_entry_set_filetype(e, entry.link ? AE_IFLNK : AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, entry.link ? 0 : static_cast<la_int64_t>(entry.content.size()));
    if (entry.link) archive_entry_set_symlink(e, entry.content.c_str());
    archive_write_header(a, e);
    if (!entry.link) archive_write_data(a, entry.content.data(), entry.content.size());
    archive_entry_free(e);
  }
  archive_write_close(a);
  archive_write_free(a);
  bytes.resize(used);
  return bytes;
}

TEST_F(RemoteTest, OciImages) {
  std::map<std::string, std::string> blobs, manifests;
  auto add = [](auto& table, const std::string& bytes) {
    std::string digest = "sha256:" + HexEncode(Sha256(bytes));
    table[digest] = bytes;
    return digest;
  };
  auto image = [&](const std::vector<std::string>& layers) {
    Json manifest = Json::MakeObject({{"schemaVersion", 2}, {"layers", Json::Array{}}});
    for (const std::string& layer : layers) {
      manifest.Ref("layers").Push(
          Json::MakeObject({{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                            {"digest", add(blobs, layer)},
                            {"size", layer.size()}}));
    }
    return add(manifests, manifest.Dump());
  };
  bool basic = false, ranges = true;
  int tokens = 0;
  Serve([&](http::Exchange& exchange) {
    std::string path(exchange.path());
    std::string user = "Basic " + Base64Encode("bob:secret");
    if (path == "/token") {
      ++tokens;
      bool good = exchange.Header("authorization") == user &&
                  http::QueryGet(exchange.query(), "scope") == "repository:team/model:pull";
      return exchange.Send(good ? 200 : 401, "application/json", R"({"token":"T"})");
    }
    if (exchange.Header("authorization") != (basic ? user : "Bearer T")) {
      http::Headers fields;
      fields.Add("WWW-Authenticate", basic ? "Basic realm=\"r\""
                                           : fmt::format("Bearer realm=\"{}\",service=\"reg\","
                                                         "scope=\"repository:team/model:pull\"",
                                                         server_->Url("/token")));
      return exchange.Send(401, "application/json", "{}", &fields);
    }
    std::string name = path.substr(path.rfind('/') + 1);
    auto& table = path.starts_with("/v2/team/model/manifests/") ? manifests : blobs;
    auto it = table.find(name);
    if (it == table.end()) return exchange.Send(404, "application/json", "{}");
    size_t first = 0, last = 0;
    std::string range(exchange.Header("range"));
    if (!ranges || sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last) != 2) {
      return exchange.Send(200, "application/json", it->second);
    }
    http::Headers fields;
    fields.Add("Content-Range", fmt::format("bytes {}-{}/{}", first, last, it->second.size()));
    exchange.Send(206, "application/json", it->second.substr(first, last - first + 1), &fields);
  });
  utsname machine{};
  uname(&machine);
  std::string architecture = std::string(machine.machine) == "x86_64" ? "amd64" : "arm64";
  std::string digest = image(
      {Layer({{"etc/passwd", "no"}, {"models/a", "1"}, {"models/gone", "2"}, {"models/d/x", "3"}},
             true),
       Layer({{"./models/a", "new"},
              {"models/.wh.gone", ""},
              {"models/d/.wh..wh..opq", ""},
              {"models/d/y", "4"},
              {"models/l", "d/y", true}},
             false)});
  Json index = Json::MakeObject({{"manifests", Json::Array{}}});
  for (auto& [name, target] : {std::pair{std::string("s390x"), std::string("sha256:none")},
                               std::pair{architecture, digest}}) {
    Json entry = Json::MakeObject({{"digest", target}});
    entry.Path({"platform", "os"}) = "linux";
    entry.Path({"platform", "architecture"}) = name;
    index.Ref("manifests").Push(entry);
  }
  manifests["v1"] = index.Dump();
  std::string host = server_->Url("").substr(7);
  ASSERT_TRUE(WriteFileAtomic(
      root_ / "config.json",
      fmt::format(R"({{"auths":{{"{}":{{"auth":"{}"}}}}}})", host, Base64Encode("bob:secret"))));
  options_.environment.Set("KSERVE_OCI_DOCKER_CONFIG", (root_ / "config.json").string());
  options_.environment.Set("KSERVE_OCI_INSECURE_REGISTRY", "true");
  std::string base = fmt::format("oci://{}/team/model", host);
  Files model = {{"a", "new"}, {"d/y", "4"}, {"l", "4"}};
  EXPECT_EQ(Get(base + ":v1"), model);
  EXPECT_EQ(tokens, 1);
  ranges = false;
  EXPECT_EQ(Get(base + "@" + digest), model);
  basic = true;
  EXPECT_EQ(Get("oci+fetch://" + base.substr(6) + ":v1"), model);
  EXPECT_THAT(Get(base + ":none")["error"], HasSubstr("HTTP 404"));
  std::string empty = image({Layer({{"etc/x", "1"}}, true)});
  EXPECT_THAT(Get(base + "@" + empty)["error"], HasSubstr("no files beneath /models"));
  // Two links that are harmless alone and lead out together.
  std::string evil =
      image({Layer({{"models/d", ".", true}}, false), Layer({{"models/x", "d/..", true}}, false)});
  EXPECT_THAT(Get(base + "@" + evil)["error"], HasSubstr("leads out"));
  std::string forged = image({Layer({{"models/a", "right"}}, false)});
  for (auto& [name, bytes] : blobs) bytes[bytes.size() / 2] ^= 1;
  EXPECT_THAT(Get(base + "@" + forged)["error"], HasSubstr("the store says"));
  manifests[forged] += " ";
  EXPECT_THAT(Get(base + "@" + forged)["error"], HasSubstr("does not have this digest"));
}

TEST(Oci, Names) {
  auto text = [](std::string_view name) {
    auto image = ParseImage(name);
    return image ? fmt::format("{} {} {}", image->registry, image->repository, image->reference)
                 : image.error().message();
  };
  EXPECT_EQ(text("model"), "registry-1.docker.io library/model latest");
  EXPECT_EQ(text("team/model:1"), "registry-1.docker.io team/model 1");
  EXPECT_EQ(text("localhost:5000/a/b:t"), "localhost:5000 a/b t");
  EXPECT_EQ(text("ghcr.io/a/b:t@sha256:00"), "ghcr.io a/b sha256:00");
  EXPECT_THAT(text("host.io/a@sha512:00"), HasSubstr("want a digest"));
  EXPECT_THAT(text("host.io/a@latest"), HasSubstr("want a digest"));
  EXPECT_THAT(text("host.io/"), HasSubstr("not an image's name"));
  EXPECT_THAT(text("host.io/a b"), HasSubstr("not an image's name"));
  auto challenge =
      ParseChallenge("Bearer realm=\"https://a/t?x=1\", service=s,scope=\"r:a,b:pull\"");
  EXPECT_EQ(challenge.scheme, "bearer");
  EXPECT_EQ(challenge.realm, "https://a/t?x=1");
  EXPECT_EQ(challenge.service, "s");
  EXPECT_EQ(challenge.scope, "r:a,b:pull");
}

}  // namespace
}  // namespace kinglet::storage
