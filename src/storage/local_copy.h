// Local models as copies instead of links: for pods whose containers do not share the folder that a
// link would point into (standalone mode's sandboxes).
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/path.h"
#include "storage/scheme.h"

namespace kinglet::storage {

// Copies what the links point to into `folder`, which exists. Links to files are followed; links to
// folders are refused (a loop would never end). Returns the files, relative to `folder`.
Result<std::vector<StagedFile>> CopyLocal(const std::vector<Link>& links, const std::string& folder,
                                          const std::stop_token& stop);

}  // namespace kinglet::storage
