// Arbitrary bytes as the listing of a store: whatever a server answers, a scheme gives objects or
// an error, and what the names become lies beneath the destination.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "net/http/test_server.h"
#include "storage/path.h"
#include "storage/plugin.h"
#include "storage/scheme.h"

namespace {

using namespace kinglet;

// One server for all runs; its answer is the input, set while no request is under way.
struct Store {
  std::string answer;
  std::unique_ptr<http::TestServer> server;
  storage::Environment environment;

  Store() {
    server = std::make_unique<http::TestServer>(http::Handler{}, [this](http::Exchange& exchange) {
      exchange.Send(200, "application/json", answer);
      return true;
    });
    std::string url = server->Url("");
    environment.Set("HOME", "/nowhere");
    environment.Set("AWS_ENDPOINT_URL", url);
    environment.Set("awsAnonymousCredential", "true");
    environment.Set("STORAGE_EMULATOR_HOST", url);
    environment.Set("AZURE_STORAGE_CONNECTION_STRING",
                    fmt::format("BlobEndpoint={0};FileEndpoint={0};AccountName=acc", url));
    environment.Set("STORAGE_CONFIG",
                    fmt::format(R"({{"type":"webhdfs","HDFS_NAMENODE":"{}"}})", url));
    environment.Set("HF_ENDPOINT", url);
    environment.Set("KSERVE_OCI_INSECURE_REGISTRY", "true");
    if (!environment.ApplyStorageConfig()) abort();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static Store store;
  store.answer.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string uris[] = {"s3://bucket/m",
                              "gs://bucket/m",
                              "https://acc.blob.core.windows.net/c/m",
                              "https://acc.file.core.windows.net/c/m",
                              "webhdfs://m",
                              "hf://owner/model",
                              "oci://" + store.server->Url("").substr(7) + "/team/model"};
  const std::string& uri = uris[data[0] % std::size(uris)];
  auto plugin = storage::FindPlugin(uri);
  if (!plugin) abort();
  auto source = plugin->open(uri, store.environment);
  if (!source) abort();
  storage::Context context;
  context.deadline = Deadline::After(std::chrono::seconds(1));  // a folder may be its own child
  auto listing = (*source)->List(context);
  if (!listing) return 0;
  storage::PathSet paths;
  for (const storage::Object& object : listing->objects) {
    auto path = storage::SafePath(object.path);
    if (!path) continue;
    if (path->starts_with('/') || ("/" + *path + "/").find("/../") != std::string::npos) abort();
    (void)paths.Add(*path);
    (void)(*source)->Read(object, 0, 1, false);
  }
  return 0;
}
