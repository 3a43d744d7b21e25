// What a model server keeps when it begins to parse models and requests.
#pragma once

#include <filesystem>

namespace kinglet {

// Confines this process (base/confine.h) to reading the model's folder, or its file, and what the
// symbolic links in it and in its folders lead to now: a model on this machine is linked, not
// copied. If the folder is itself a link, what lies beside its target is readable too. The server
// makes no connections. `downloaded`: the temporary folder that the process removes when it ends,
// or "".
void ConfineServer(const std::filesystem::path& model, const std::filesystem::path& downloaded);

}  // namespace kinglet
