// The table of storage schemes, made from the file names in schemes/ (see scheme.h).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/environment.h"

namespace kinglet::storage {

class Source;

struct Plugin {
  // Schemes are asked in ascending order; equal orders in the order of their names. General ones
  // (http, any path) come late: file 10, s3/gs/hdfs/hf/oci/git 20, blob hosts 30, http 90.
  int order = 20;
  // What the URI validation of InferenceService accepts and lists: "s3://".
  std::vector<std::string_view> prefixes;
  // A form that is no prefix, as people read it ("https://{}.blob.core.windows.net/{}/{}") or "".
  std::string_view form;
  // For a scheme whose URIs name what lies on this machine, which is linked and not downloaded: the
  // path.
  std::string (*local_path)(std::string_view uri) = nullptr;
  // Whether a URI is its own; null: where it begins with one of the prefixes.
  bool (*recognises)(std::string_view uri) = nullptr;
  Result<std::unique_ptr<Source>> (*open)(std::string_view uri,
                                          const Environment& environment) = nullptr;
};

struct PluginEntry {
  std::string_view name;  // the file's name
  Plugin (*make)();
};

// All schemes (generated).
std::span<const PluginEntry> Plugins();

// The scheme for a URI; kInvalidArgument with KServe's text when there is none.
Result<Plugin> FindPlugin(std::string_view uri);
// All prefixes in order, for the admission check and its error text.
std::vector<std::string> SupportedPrefixes();

}  // namespace kinglet::storage
