// The objects of -f arguments: files, folders, standard input.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "cli/command.h"

namespace kinglet::cli {

struct Document {
  Json object;
  std::string source;  // for messages: the file, or "stdin"
};

// YAML and JSON, several documents a file, Lists expanded. Folders give their *.yaml, *.yml and
// *.json in order of name (with `recursive`, folders below too). kInvalidArgument says which file
// and why.
Result<std::vector<Document>> ReadDocuments(Context& context, const std::vector<std::string>& paths,
                                            bool recursive);

}  // namespace kinglet::cli
