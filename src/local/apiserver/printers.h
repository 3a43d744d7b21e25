// Shared by the printers of built-in kinds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "local/apiserver/table.h"

namespace kinglet::local::printers {

inline constexpr Column kName{"Name", "string", "name", 0,
                              "Name of the object, unique in its namespace."};
inline constexpr Column kAge{"Age", "string", "", 0, "Time since the object was created."};

inline Column Text(std::string_view name, int priority = 0) {
  return {name, "string", "", priority, name};
}
inline Column Number(std::string_view name, int priority = 0) {
  return {name, "integer", "", priority, name};
}

inline void PushName(const Json& object, Json& cells) {
  cells.Push(object.At({"metadata", "name"}));
}
inline void PushAge(const Json& object, WallTime now, Json& cells) {
  cells.Push(AgeText(object.At({"metadata", "creationTimestamp"}), now));
}

inline std::string Or(const std::string& text, std::string_view fallback) {
  return text.empty() ? std::string(fallback) : text;
}

template <class F>
std::string Joined(const Json& list, F&& text, std::string_view none = "<none>") {
  std::string out;
  for (const Json& item : list.AsArray()) {
    if (!out.empty()) out += ",";
    out += text(item);
  }
  return out.empty() ? std::string(none) : out;
}

// Kinds without pods: configuration, network, storage, roles.
std::vector<Printer> ConfigPrinters();

}  // namespace kinglet::local::printers
