#include "runtimes/plugin.h"

#include "base/file.h"

namespace kinglet::runtimes {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 36;

}  // namespace

Result<std::unique_ptr<server::Model>> LoadModelFile(const Plugin& plugin,
                                                     const std::filesystem::path& file,
                                                     const LoadOptions& options) {
  KINGLET_TRY(std::string bytes, ReadFile(file, kMaxFileBytes));
  Budget budget = Budget::ForInput(bytes.size());
  auto model = plugin.load(std::move(bytes), options, budget);
  if (!model) return Unexpected(model.error().WithContext(file.filename().string()));
  return model;
}

}  // namespace kinglet::runtimes
