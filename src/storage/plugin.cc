#include "storage/plugin.h"

#include <algorithm>
#include <map>

#include "base/uri.h"

namespace kinglet::storage {

namespace {

std::vector<Plugin> Ordered() {
  std::multimap<int, Plugin> sorted;  // equal orders keep the table's order
  for (const PluginEntry& entry : Plugins()) {
    Plugin plugin = entry.make();
    sorted.emplace(plugin.order, plugin);
  }
  std::vector<Plugin> all;
  for (auto& [order, plugin] : sorted) all.push_back(plugin);
  return all;
}

bool Recognises(const Plugin& plugin, std::string_view uri) {
  if (plugin.recognises) return plugin.recognises(uri);
  return std::ranges::any_of(plugin.prefixes,
                             [&](std::string_view prefix) { return uri.starts_with(prefix); });
}

}  // namespace

Result<Plugin> FindPlugin(std::string_view uri) {
  for (const Plugin& plugin : Ordered()) {
    if (Recognises(plugin, uri)) return plugin;
  }
  return Fail(Code::kInvalidArgument,
              "Cannot recognize storage type for {}\n'gs://', 's3://', 'file://', and 'http(s)://' "
              "are the current available storage type.",
              RedactUri(uri));
}

std::vector<std::string> SupportedPrefixes() {
  std::vector<std::string> result;
  for (const Plugin& plugin : Ordered()) {
    for (std::string_view prefix : plugin.prefixes) result.emplace_back(prefix);
  }
  return result;
}

}  // namespace kinglet::storage
