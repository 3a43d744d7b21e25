#include "server/repository.h"

#include <simdjson.h>

#include <algorithm>

#include "base/log.h"

namespace kinglet::server {
namespace {

namespace fs = std::filesystem;

// A name comes from the network and becomes part of a path; and of the metrics, which nobody could
// read any more if it were not UTF-8.
bool IsFolderName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos &&
         simdjson::validate_utf8(name);
}

}  // namespace

Repository::Repository(ModelLoader loader, MetricsRegistry& metrics)
    : loader_(std::move(loader)), metrics_(metrics) {}

void Repository::SetSource(std::string_view name, fs::path model_dir) {
  state_.With([&](State& state) { state.sources[std::string(name)] = std::move(model_dir); });
}

void Repository::ClearSource(std::string_view name) {
  state_.With([&](State& state) { state.sources.erase(std::string(name)); });
}

bool Repository::HasRequired() const {
  return state_.With([](const State& state) {
    return std::ranges::all_of(state.sources, [&](const auto& source) {
      auto it = state.models.find(source.first);
      return it != state.models.end() && it->second->state == ModelState::kReady;
    });
  });
}

void Repository::SetModelsDir(fs::path models_dir) {
  state_.With([&](State& state) { state.models_dir = std::move(models_dir); });
}

Status Repository::LoadAll() {
  fs::path root = state_.With([](const State& state) { return state.models_dir; });
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(root, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    std::string name = it->path().filename().string();
    // Mounted volumes bring folders such as "..data" and "lost+found" along.
    if (it->is_directory(ignored) && !name.starts_with("..") && name != "lost+found") {
      names.push_back(std::move(name));
    }
  }
  if (error) {
    return Fail(Code::kNotFound, "cannot read the model repository {}: {}", root.string(),
                error.message());
  }
  std::ranges::sort(names);
  for (const std::string& name : names) {
    if (auto status = Load(name); !status) {
      LogError("model not loaded", {{"model", name}, {"reason", status.error().message()}});
    }
  }
  return {};
}

Result<fs::path> Repository::SourceOf(std::string_view name) const {
  return state_.With([&](const State& state) -> Result<fs::path> {
    if (auto it = state.sources.find(name); it != state.sources.end()) return it->second;
    if (!state.models_dir.empty() && IsFolderName(name)) return state.models_dir / name;
    return Fail(Code::kNotFound, "Model with name {} does not exist.", name);
  });
}

Status Repository::Load(std::string_view name) {
  KINGLET_TRY(auto source, SourceOf(name));
  ModelEntry entry{.name = std::string(name)};
  auto old = Find(name);
  bool had_model = old && old->state == ModelState::kReady;
  if (!had_model) Publish(entry);
  auto model = loader_(source);
  if (!model) {
    bool missing = model.error().code() == Code::kNotFound;
    if (!had_model && missing) {
      // A name that leads nowhere must not stay listed.
      state_.With([&](State& state) { state.models.erase(entry.name); });
    } else if (!had_model) {
      entry.state = ModelState::kFailed;
      entry.reason = model.error().message();
      Publish(entry);
    }
    return Unexpected(model.error());
  }
  // Not before: any name can be asked for, and metrics are for ever.
  entry.metrics = std::make_shared<ModelMetrics>(metrics_, name);
  entry.model = std::move(*model);
  entry.state = ModelState::kReady;
  Publish(std::move(entry));
  LogInfo("model loaded", {{"model", name}, {"path", source.string()}});
  return {};
}

void Repository::Publish(ModelEntry entry) {
  auto shared = std::make_shared<const ModelEntry>(std::move(entry));
  std::shared_ptr<const ModelEntry> old;  // destroyed outside of the lock
  state_.With([&](State& state) {
    auto& slot = state.models[shared->name];
    old = std::exchange(slot, shared);
  });
}

Status Repository::Unload(std::string_view name) {
  std::shared_ptr<const ModelEntry> old;
  state_.With([&](State& state) {
    auto it = state.models.find(name);
    if (it == state.models.end()) return;
    old = std::move(it->second);
    state.models.erase(it);
  });
  if (!old) return Fail(Code::kNotFound, "Model with name {} does not exist.", name);
  LogInfo("model unloaded", {{"model", name}});
  return {};
}

void Repository::UnloadAll() {
  for (const std::string& name : Names()) (void)Unload(name);
}

std::shared_ptr<const ModelEntry> Repository::Find(std::string_view name) const {
  return state_.With([&](const State& state) -> std::shared_ptr<const ModelEntry> {
    auto it = state.models.find(name);
    return it == state.models.end() ? nullptr : it->second;
  });
}

std::vector<std::string> Repository::Names() const {
  return state_.With([](const State& state) {
    std::vector<std::string> names;
    for (const auto& [name, entry] : state.models) names.push_back(name);
    return names;
  });
}

}  // namespace kinglet::server
