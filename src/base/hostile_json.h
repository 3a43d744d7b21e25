// For tests: a document in which one value after the other is of a type that nobody expects.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "base/json.h"

namespace kinglet {

// Calls `visit` with copies of `document`, each with one value below its top replaced: every value
// in turn, by one of every JSON type. `seen` holds the places (indexes left out) and types that
// were visited before, so that many alike documents do not repeat each other.
inline void ForEachOddValue(
    const Json& document, std::set<std::string>& seen,
    const std::function<void(const std::string& place, const Json& changed)>& visit) {
  static const Json kValues[] = {nullptr,
                                 true,
                                 -1,
                                 0.5,
                                 "x",
                                 Json::MakeArray(),
                                 Json::MakeArray({"x", nullptr, 1, Json::MakeObject()}),
                                 Json::MakeObject(),
                                 Json::MakeObject({{"x", "x"}, {"name", 1}})};
  Json changed = document;
  const std::function<void(Json&, const std::string&)> walk = [&](Json& at,
                                                                  const std::string& place) {
    auto try_all = [&](Json& member, const std::string& here) {
      const Json original = member;
      int n = 0;
      for (const Json& value : kValues) {
        if (!seen.insert(here + "=" + std::to_string(n++)).second) continue;
        member = value;
        visit(here, changed);
      }
      member = original;
      walk(member, here);
    };
    if (at.IsObject()) {
      for (auto& [key, member] : at.MutableObject()) try_all(member, place + "/" + key);
    } else if (at.IsArray()) {
      for (Json& item : at.MutableArray()) try_all(item, place + "/*");
    }
  };
  walk(changed, "");
}

}  // namespace kinglet
