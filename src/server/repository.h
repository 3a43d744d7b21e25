// The models a server has, by name. Requests hold shared snapshots: a model that is replaced or
// unloaded dies when its last request does.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/metrics.h"
#include "base/result.h"
#include "server/metrics.h"
#include "server/model.h"

namespace kinglet::server {

enum class ModelState { kLoading, kReady, kFailed };

// Builds the model that lies in a folder (or is a file). Blocking; called from several threads.
// kNotFound where no model is there.
using ModelLoader =
    std::function<Result<std::unique_ptr<Model>>(const std::filesystem::path& model_dir)>;

// Immutable.
struct ModelEntry {
  std::string name;
  ModelState state = ModelState::kLoading;
  std::shared_ptr<const Model> model;  // null unless ready
  std::string reason;                  // why it failed
  std::shared_ptr<ModelMetrics> metrics;  // null unless ready
};

// Thread-safe.
class Repository {
 public:
  Repository(ModelLoader loader, MetricsRegistry& metrics);

  // Says where the model of that name lies. Load makes it.
  void SetSource(std::string_view name, std::filesystem::path model_dir);
  void ClearSource(std::string_view name);
  // Whether all models with a source of their own are ready. Those of a models folder come and go.
  bool HasRequired() const;
  // Makes every sub-folder of `models_dir` a model that can be loaded under its name.
  void SetModelsDir(std::filesystem::path models_dir);
  // Loads every sub-folder; those that fail stay listed as failed. An error where the folder
  // cannot be read.
  Status LoadAll();

  // Loads or reloads; blocking. While a model is reloaded, and when that fails, the old one goes on
  // serving. kNotFound where the name is unknown, else the loader's error.
  Status Load(std::string_view name);
  // kNotFound where there is no such model.
  Status Unload(std::string_view name);
  void UnloadAll();

  // Null where there is no such model.
  std::shared_ptr<const ModelEntry> Find(std::string_view name) const;
  std::vector<std::string> Names() const;

 private:
  struct State {
    std::map<std::string, std::shared_ptr<const ModelEntry>, std::less<>> models;
    std::map<std::string, std::filesystem::path, std::less<>> sources;
    std::filesystem::path models_dir;
  };
  // Where the model lies; nothing for a name that is no plain folder name.
  Result<std::filesystem::path> SourceOf(std::string_view name) const;
  void Publish(ModelEntry entry);

  ModelLoader loader_;
  MetricsRegistry& metrics_;
  Guarded<State> state_;
};

}  // namespace kinglet::server
