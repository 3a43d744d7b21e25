// The small texts of peers, files and users: challenges, image names, AWS files, URIs, names,
// patterns.
#include <cstdint>
#include <string_view>

#include "storage/addresses.h"
#include "storage/aws_credentials.h"
#include "storage/azure.h"
#include "storage/oci_registry.h"
#include "storage/path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet::storage;
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
      (void)ParseChallenge(text);
      break;
    case 1:
      (void)ParseImage(text);
      break;
    case 2:
      (void)ParseAwsFile(text);
      break;
    case 3:
      if (IsAzureUri(text, "blob")) (void)ParseAzureUri(text, "blob", {});
      break;
    case 4:
      if (auto path = SafePath(text); path && (path->starts_with('/') || path->empty()))
        __builtin_trap();
      break;
    case 5:
      if (auto filter = PathFilter::Make(text, text)) (void)filter->Accepts("a/b.c");
      break;
    case 6:
      (void)IsPublicAddress(text);
      break;
  }
  return 0;
}
