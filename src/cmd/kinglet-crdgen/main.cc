// kinglet-crdgen DIR: writes the custom resource definitions of src/api into DIR.
#include <cstdio>
#include <string>

#include "api/kinds.h"
#include "base/file.h"
#include "base/yaml.h"

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] == '-') {
    std::fprintf(stderr,
                 "Usage: kinglet-crdgen DIR\n"
                 "Writes the custom resource definitions into DIR.\n");
    return argc == 2 && std::string(argv[1]) == "--help" ? 0 : 2;
  }
  const std::filesystem::path folder = argv[1];
  for (const auto& kind : kinglet::api::Kinds()) {
    auto path = folder / kinglet::api::CrdFileName(kind);
    auto text = kinglet::DumpYaml(kinglet::api::CustomResourceDefinition(kind));
    if (auto written = kinglet::WriteFileAtomic(path, text); !written) {
      std::fprintf(stderr, "kinglet-crdgen: %s\n", written.error().message().c_str());
      return 1;
    }
  }
  return 0;
}
