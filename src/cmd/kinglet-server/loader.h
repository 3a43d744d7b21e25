// Joins the model server and the model formats.
#pragma once

#include <string>

#include "base/result.h"
#include "runtimes/plugin.h"
#include "server/repository.h"

namespace kinglet {

// Loads with the format of that name, or, where it is "", with the one whose extensions and
// contents fit the file. kInvalidArgument where no format has that name.
Result<server::ModelLoader> MakeLoader(const std::string& format,
                                       const runtimes::LoadOptions& options);

}  // namespace kinglet
