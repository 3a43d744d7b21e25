// Google Cloud Storage, the Hugging Face Hub and Azure against servers that check what they are
// asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <filesystem>

#include "base/encoding.h"
#include "net/http/test_server.h"
#include "storage/azure.h"
#include "storage/google_credentials.h"
#include "storage/jwt.h"
#include "storage/testing.h"

namespace kinglet::storage {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

using Answerer = std::function<void(http::Exchange&)>;

std::unique_ptr<http::TestServer> Serve(Answerer answer) {
  return std::make_unique<http::TestServer>(http::Handler{}, [answer](http::Exchange& exchange) {
    answer(exchange);
    return true;
  });
}

// The content, or the range asked for in the field.
void SendBytes(http::Exchange& exchange, std::string_view content, const char* field = "range") {
  std::string range(exchange.Header(field));
  size_t first = 0, last = 0;
  if (sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last) != 2) {
    return exchange.Send(200, "application/octet-stream", content);
  }
  http::Headers fields;
  last = std::min(last, content.size() - 1);
  fields.Add("Content-Range", fmt::format("bytes {}-{}/{}", first, last, content.size()));
  exchange.Send(206, "application/octet-stream", content.substr(first, last - first + 1), &fields);
}

std::string DigestOf(const char* algorithm, std::string_view bytes) {
  Digest digest(algorithm);
  digest.Update(bytes);
  return digest.Finish();
}

struct KeyPair {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_RSA_gen(2048), EVP_PKEY_free};
  std::string pem;
  KeyPair() {
    std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    long size = BIO_get_mem_data(bio.get(), &data);
    pem.assign(data, static_cast<size_t>(size));
  }
  bool Verifies(std::string_view jwt) const {
    size_t dot = jwt.rfind('.');
    auto signature = Base64Decode(jwt.substr(dot + 1));
    std::string_view text = jwt.substr(0, dot);
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                    EVP_MD_CTX_free);
    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get());
    auto bytes = [](std::string_view s) {
      return reinterpret_cast<const unsigned char*>(s.data());
    };
    return signature && EVP_DigestVerify(context.get(), bytes(*signature), signature->size(),
                                         bytes(text), text.size()) == 1;
  }
};

Json Claims(std::string_view jwt) {
  std::string_view rest = jwt.substr(jwt.find('.') + 1);
  return *Json::Parse(*Base64Decode(rest.substr(0, rest.find('.'))));
}

class CloudTest : public DownloadFixture {
 protected:
  std::string File(const char* name, std::string_view text) {
    EXPECT_TRUE(WriteFileAtomic(root_ / name, text));
    return root_ / name;
  }
};

// Objects of one bucket as the JSON API shows them, two a page.
struct GoogleStore {
  Files objects;
  std::string token;  // required when not empty
  bool gone = false;  // generations vanish after the listing

  void Answer(http::Exchange& exchange) {
    if (!token.empty() && exchange.Header("authorization") != "Bearer " + token) {
      return exchange.Send(401, "application/json",
                           R"({"error":{"message":"Invalid Credentials"}})");
    }
    std::string path = *UrlDecode(exchange.path());
    auto item = [&](const std::string& name) {
      const std::string& content = objects[name];
      return Json::MakeObject({{"name", name},
                               {"size", std::to_string(content.size())},
                               {"generation", "7"},
                               {"md5Hash", Base64Encode(DigestOf("md5", content))}});
    };
    std::string query(exchange.query());
    std::string_view prefix = "/storage/v1/b/bucket/o";
    if (path == prefix) {
      Json list = Json::MakeObject();
      std::string below = http::QueryGet(query, "prefix"),
                  after = http::QueryGet(query, "pageToken");
      int left = 2;
      for (auto& [name, content] : objects) {
        if (!name.starts_with(below) || name <= after) continue;
        if (left-- == 0) break;
        list.Ref("items").Push(item(name));
        list.Set("nextPageToken", name);
      }
      if (left > 0) list.Erase("nextPageToken");
      return exchange.Send(200, "application/json", list.Dump());
    }
    auto it =
        path.starts_with(prefix) ? objects.find(path.substr(prefix.size() + 1)) : objects.end();
    bool media = http::QueryGet(query, "alt") == "media";
    if (it == objects.end() || (media && gone)) {
      return exchange.Send(404, "application/json", "{}");
    }
    if (!media) return exchange.Send(200, "application/json", item(it->first).Dump());
    if (http::QueryGet(query, "generation") != "7") return exchange.Send(400, "text/plain", "");
    SendBytes(exchange, it->second);
  }
};

TEST_F(CloudTest, GoogleListsAndReads) {
  GoogleStore store;
  store.objects = {
      {"m/a", std::string(3500, 'a')}, {"m/b c%/d", "d"}, {"m/", ""}, {"m/z", "z"}, {"single", "1"},
      {"single-sibling", "2"}};
  auto server = Serve([&](http::Exchange& e) { store.Answer(e); });
  options_.environment.Set("STORAGE_EMULATOR_HOST", server->Url(""));
  Files model = {{"a", std::string(3500, 'a')}, {"b c%/d", "d"}, {"z", "z"}};
  EXPECT_EQ(Get("gs://bucket/m"), model);
  EXPECT_EQ(Get("gs://bucket/m/"), model);
  EXPECT_EQ(Get("gs://bucket/single"), (Files{{"single", "1"}}));
  EXPECT_EQ(Get("gs://bucket").size(), 5u);
  EXPECT_EQ(Get("gs://bucket/sing"),
            (Files{{"error", "Failed to fetch model. No model found in gs://bucket/sing."}}));
  EXPECT_THAT(Get("gs://other/x")["error"], HasSubstr("The specified bucket does not exist"));
  store.gone = true;
  EXPECT_THAT(Get("gs://bucket/m")["error"], HasSubstr("changed while it was downloaded"));
}

TEST_F(CloudTest, GoogleCredentialsOfEveryKind) {
  KeyPair keys;
  std::vector<std::pair<std::string, std::string>> seen;  // path, body
  auto server = Serve([&](http::Exchange& exchange) {
    std::string_view body;
    exchange.BufferedBody(&body);
    seen.emplace_back(exchange.path(), body);
    std::string_view path = exchange.path();
    if (path == "/subject") return exchange.Send(200, "application/json", R"({"id":"subject-2"})");
    if (path == "/impersonate") {
      return exchange.Send(exchange.Header("authorization") == "Bearer at" ? 200 : 401,
                           "application/json",
                           R"({"accessToken":"impersonated","expireTime":"2999-01-01T00:00:00Z"})");
    }
    if (path.starts_with("/computeMetadata/") && exchange.Header("metadata-flavor") != "Google") {
      return exchange.Send(403, "text/plain", "");
    }
    exchange.Send(200, "application/json", R"({"access_token":"at","expires_in":3600})");
  });
  auto token = [&](const Json& file) {
    Environment env({{"GOOGLE_APPLICATION_CREDENTIALS", File("adc.json", file.Dump())}});
    auto found = GoogleCredentials(env).Token({});
    return found ? *found : found.error().message();
  };
  std::string uri = server->Url("/token");
  EXPECT_EQ(token(Json::MakeObject({{"type", "service_account"},
                                    {"client_email", "me@project"},
                                    {"private_key_id", "kid"},
                                    {"private_key", keys.pem},
                                    {"token_uri", uri}})),
            "at");
  std::string jwt = http::QueryGet(seen.back().second, "assertion");
  EXPECT_TRUE(keys.Verifies(jwt));
  EXPECT_EQ(Claims(jwt)["iss"].AsString(), "me@project");
  EXPECT_EQ(Claims(jwt)["aud"].AsString(), uri);
  EXPECT_EQ(token(Json::MakeObject({{"type", "authorized_user"},
                                    {"refresh_token", "r"},
                                    {"client_id", "c"},
                                    {"client_secret", "s"},
                                    {"token_uri", uri}})),
            "at");
  EXPECT_EQ(http::QueryGet(seen.back().second, "refresh_token"), "r");
  Json external = Json::MakeObject(
      {{"type", "external_account"}, {"audience", "//iam/pool"}, {"token_url", uri}});
  external.Path({"credential_source", "file"}) = File("subject", "subject-1\n");
  EXPECT_EQ(token(external), "at");
  EXPECT_EQ(http::QueryGet(seen.back().second, "subject_token"), "subject-1");
  external.Set(
      "credential_source",
      Json::MakeObject(
          {{"url", server->Url("/subject")},
           {"format", Json::MakeObject({{"type", "json"}, {"subject_token_field_name", "id"}})}}));
  external.Set("service_account_impersonation_url", server->Url("/impersonate"));
  EXPECT_EQ(token(external), "impersonated");
  EXPECT_EQ(http::QueryGet(seen[seen.size() - 2].second, "subject_token"), "subject-2");
  EXPECT_THAT(token(Json::MakeObject({{"type", "else"}})), HasSubstr("credentials of the type"));
  EXPECT_THAT(token(Json::MakeObject({{"type", "service_account"}, {"private_key", "x"}})),
              HasSubstr("not an RSA key"));
  std::string host = server->Url("").substr(7);
  EXPECT_EQ(GoogleCredentials(Environment({{"GCE_METADATA_HOST", host}})).Token({}).value(), "at");
  EXPECT_EQ(GoogleCredentials(Environment({{"NO_GCE_CHECK", "true"}})).Token({}).value(), "");
}

TEST_F(CloudTest, HubSnapshot) {
  std::string weights(4000, 'w');
  std::string config = "{}";
  bool leaked = false, expire = true;
  auto cdn = Serve([&](http::Exchange& exchange) {
    leaked |= !exchange.Header("authorization").empty();
    if (std::exchange(expire, false)) return exchange.Send(403, "text/plain", "expired");
    SendBytes(exchange, weights);
  });
  Json siblings = Json::MakeArray(
      {Json::MakeObject(
           {{"rfilename", "config.json"},
            {"size", 2},
            {"blobId", HexEncode(DigestOf("sha1", std::string("blob 2\0", 7) + config))}}),
       Json::MakeObject(
           {{"rfilename", "onnx/model.bin"},
            {"size", 4000},
            {"blobId", "00"},
            {"lfs", Json::MakeObject({{"sha256", HexEncode(Sha256(weights))}, {"size", 4000}})}})});
  std::string index = R"({"weight_map":{"a":"model-1.safetensors"}})";
  auto hub = Serve([&](http::Exchange& exchange) {
    std::string_view path = exchange.path();
    if (exchange.Header("authorization") != "Bearer secret") {
      http::Headers fields;
      fields.Add("X-Error-Message", "Access to model is restricted");
      return exchange.Send(401, "application/json", "{}", &fields);
    }
    if (path == "/api/models/org/m/revision/main" || path == "/api/models/org/m/revision/v1") {
      Json info = Json::MakeObject({{"sha", "c0ffee"}, {"siblings", siblings}});
      exchange.Send(200, "application/json", info.Dump());
    } else if (path == "/org/m/resolve/c0ffee/config.json") {
      SendBytes(exchange, config);
    } else if (path == "/org/m/resolve/c0ffee/onnx/model.bin") {
      http::Headers fields;
      fields.Add("Location", cdn->Url("/blob?signature=x"));
      exchange.Send(302, "text/plain", "", &fields);
    } else if (path.ends_with(".index.json")) {
      SendBytes(exchange, index);
    } else {
      exchange.Send(404, "text/plain", "");
    }
  });
  options_.environment.Set("HF_ENDPOINT", hub->Url(""));
  EXPECT_THAT(Get("hf://org/m")["error"], HasSubstr("Access to model is restricted"));
  EXPECT_THAT(Get("hf://org/m")["error"], HasSubstr("needs a token in HF_TOKEN"));
  options_.environment.Set("HF_TOKEN", "secret");
  Files model = {{"config.json", config}, {"onnx/model.bin", weights}};
  EXPECT_EQ(Get("hf://org/m"), model);
  EXPECT_EQ(Get("hf://org/m:v1"), model);
  EXPECT_FALSE(leaked) << "the token went to another host";
  options_.environment.Set("STORAGE_ALLOW_PATTERNS", "*.json");
  EXPECT_EQ(Get("hf://org/m"), (Files{{"config.json", config}}));
  options_.environment.Set("STORAGE_ALLOW_PATTERNS", "");
  siblings.Push(Json::MakeObject({{"rfilename", "model.safetensors.index.json"}, {"size", 45}}));
  EXPECT_THAT(Get("hf://org/m")["error"], HasSubstr("names model-1.safetensors"));
  for (auto& [uri, error] : std::map<std::string, std::string>{
           {"hf://m", "URI must contain exactly one '/' separating the repo and model name"},
           {"hf://a/b/c", "URI must contain exactly one '/' separating the repo and model name"},
           {"hf:///m", "Repository name cannot be empty"},
           {"hf://a/", "Model name cannot be empty"},
           {"hf://a/:main", "Model name cannot be empty"}}) {
    EXPECT_EQ(Get(uri)["error"], error) << uri;
  }
}

TEST(Azure, Uris) {
  EXPECT_TRUE(IsAzureUri("https://a.blob.core.windows.net/c/p", "blob"));
  EXPECT_TRUE(IsAzureUri("https://a.z12.blob.storage.azure.net/c", "blob"));
  EXPECT_TRUE(IsAzureUri("https://a.file.core.windows.net/s", "file"));
  for (const char* uri :
       {"https://a.blob.core.windows.net/", "http://a.blob.core.windows.net/c",
        "https://blob.core.windows.net/c", "https://a.z123.blob.storage.azure.net/c",
        "https://evil.example/a.blob.core.windows.net/c", "https://a.file.core.windows.net/c"}) {
    EXPECT_FALSE(IsAzureUri(uri, "blob")) << uri;
  }
  auto address =
      ParseAzureUri("https://acc.blob.core.windows.net/box/a%20b/c/?sv=1&sig=x%2F", "blob", {});
  ASSERT_TRUE(address);
  EXPECT_EQ(address->account, "acc");
  EXPECT_EQ(address->container, "box");
  EXPECT_EQ(address->path, "a b/c");
  EXPECT_EQ(address->sas, "sv=1&sig=x%2F");
}

TEST_F(CloudTest, AzureListsReadsAndProves) {
  std::string big(2500, 'b');
  std::string wanted;  // Authorization
  std::vector<std::string> tokens;
  auto server = Serve([&](http::Exchange& exchange) {
    std::string query(exchange.query());
    std::string_view body, path = exchange.path();
    exchange.BufferedBody(&body);
    if (path == "/tenant/oauth2/v2.0/token" || path == "/metadata/identity/oauth2/token" ||
        path == "/identity") {
      tokens.emplace_back(body.empty() ? query : body);
      return exchange.Send(200, "application/json", R"({"access_token":"at","expires_in":"3600"})");
    }
    if (!wanted.empty() && exchange.Header("authorization") != wanted &&
        !(wanted == "sas" && http::QueryGet(query, "sig") == "s+/")) {
      http::Headers fields;
      fields.Add("x-ms-error-code", "NoAuthenticationInformation");
      return exchange.Send(401, "application/xml", "", &fields);
    }
    if (path == "/acc/box" && http::QueryGet(query, "marker").empty()) {
      exchange.Send(
          200, "application/xml",
          "\xef\xbb\xbf<?xml version=\"1.0\"?><EnumerationResults><Blobs>"
          "<Blob><Name>m</Name><Properties><Content-Length>0</Content-Length></Properties>"
          "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>"
          "<Blob><Name>m/a b</Name><Properties><Etag>0x1</Etag>"
          "<Content-Length>2500</Content-Length></Properties></Blob>"
          "</Blobs><NextMarker>2</NextMarker></EnumerationResults>");
    } else if (path == "/acc/box") {
      exchange.Send(200, "application/xml",
                    fmt::format("<EnumerationResults><Blobs><Blob><Name>m/d/e</Name><Properties>"
                                "<Content-Length>1</Content-Length><Content-MD5>{}</Content-MD5>"
                                "</Properties></Blob></Blobs><NextMarker/></EnumerationResults>",
                                Base64Encode(DigestOf("md5", "e"))));
    } else if (path == "/acc/box/m/a%20b") {
      SendBytes(exchange, big, "x-ms-range");
    } else if (path == "/acc/box/m/d/e") {
      SendBytes(exchange, "e");
    } else {
      exchange.Send(404, "application/xml", "");
    }
  });
  Environment& env = options_.environment;
  env.Set("AZURE_STORAGE_CONNECTION_STRING", "BlobEndpoint=" + server->Url("/acc"));
  std::string uri = "https://acc.blob.core.windows.net/box/m";
  Files model = {{"a b", big}, {"d/e", "e"}};
  EXPECT_EQ(Get(uri), model);
  wanted = "sas";
  EXPECT_THAT(Get(uri)["error"], HasSubstr("NoAuthenticationInformation (asked anonymously"));
  EXPECT_EQ(Get(uri + "?sv=2&sig=s%2B%2F"), model);
  wanted = "Bearer at";
  env.Set("AZURE_AUTHORITY_HOST", server->Url(""));
  env.Set("AZ_TENANT_ID", "tenant");
  env.Set("AZ_CLIENT_ID", "client");
  env.Set("AZ_CLIENT_SECRET", "secret");
  EXPECT_EQ(Get(uri), model);
  EXPECT_EQ(http::QueryGet(tokens.back(), "client_secret"), "secret");
  EXPECT_EQ(http::QueryGet(tokens.back(), "scope"), "https://storage.azure.com/.default");
  EXPECT_EQ(tokens.size(), 1u);
  env.Set("AZ_CLIENT_SECRET", "");
  env.Set("AZURE_FEDERATED_TOKEN_FILE", File("federated", "proof\n"));
  EXPECT_EQ(Get(uri), model);
  EXPECT_EQ(http::QueryGet(tokens.back(), "client_assertion"), "proof");
  env.Set("AZURE_FEDERATED_TOKEN_FILE", "");
  env.Set("AZURE_POD_IDENTITY_AUTHORITY_HOST", server->Url(""));
  EXPECT_EQ(Get(uri), model);
  EXPECT_EQ(http::QueryGet(tokens.back(), "client_id"), "client");
  env.Set("IDENTITY_ENDPOINT", server->Url("/identity"));
  EXPECT_EQ(Get(uri), model);
  EXPECT_EQ(http::QueryGet(tokens.back(), "api-version"), "2019-08-01");
}

TEST_F(CloudTest, AzureFileShares) {
  auto server = Serve([&](http::Exchange& exchange) {
    std::string_view path = exchange.path();
    std::string query(exchange.query());
    bool list = http::QueryGet(query, "comp") == "list";
    if (list && path == "/share/m") {
      exchange.Send(200, "application/xml",
                    "<EnumerationResults><Entries><File><Name>a</Name><Properties>"
                    "<Content-Length>1</Content-Length></Properties></File>"
                    "<Directory><Name>sub</Name></Directory></Entries></EnumerationResults>");
    } else if (list && path == "/share/m/sub") {
      exchange.Send(200, "application/xml",
                    "<EnumerationResults><Entries><File><Name>b</Name><Properties>"
                    "<Content-Length>1</Content-Length></Properties></File></Entries>"
                    "</EnumerationResults>");
    } else if (list || path == "/share/none") {
      exchange.Send(404, "application/xml", "");
    } else {
      SendBytes(exchange, "x");
    }
  });
  options_.environment.Set("AZURE_STORAGE_CONNECTION_STRING", "FileEndpoint=" + server->Url(""));
  std::string uri = "https://acc.file.core.windows.net/share/";
  EXPECT_EQ(Get(uri + "m"), (Files{{"m/a", "x"}, {"m/sub/b", "x"}}));
  EXPECT_EQ(Get(uri + "m/a"), (Files{{"m/a", "x"}}));
  EXPECT_THAT(Get(uri + "none")["error"], HasSubstr("Failed to fetch model. No model found in"));
}

// A share's listing has no checksums; the file's properties have.
TEST_F(CloudTest, AzureFilesAreChecked) {
  const std::string content(2500, 'f');
  int gets = 0;
  bool right = true;
  auto server = Serve([&](http::Exchange& exchange) {
    Digest md5("md5");
    md5.Update(right ? content : "other");
    http::Headers fields;
    fields.Add("Content-MD5", Base64Encode(md5.Finish()));
    if (http::QueryGet(exchange.query(), "comp") == "list") {
      exchange.Send(404, "application/xml", "");
    } else if (exchange.method() == "HEAD") {
      exchange.Send(200, "application/octet-stream", content, &fields);
    } else {
      ++gets;
      SendBytes(exchange, content, "x-ms-range");
    }
  });
  options_.environment.Set("AZURE_STORAGE_CONNECTION_STRING", "FileEndpoint=" + server->Url(""));
  std::string uri = "https://acc.file.core.windows.net/share/m";
  EXPECT_EQ(Get(uri), (Files{{"m", content}}));
  EXPECT_EQ(gets, 3);
  right = false;
  EXPECT_THAT(Get(uri)["error"], HasSubstr("the store says"));
  EXPECT_EQ(gets, 9);
}

}  // namespace
}  // namespace kinglet::storage
