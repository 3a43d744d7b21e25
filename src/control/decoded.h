// Watched collections as values: decoded once for each change, not once for each reader.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/core_types.h"
#include "base/guarded.h"
#include "base/log.h"
#include "kube/informer.h"
#include "kube/object.h"

namespace kinglet::control {

// T has api::Decode. Thread-safe. The informers must outlive this, and must not be started before.
template <class T>
class Decoded {
 public:
  using Values = std::shared_ptr<const std::vector<T>>;

  // Values come in the order of `sources`, in each by name.
  explicit Decoded(std::vector<kube::Informer*> sources) : sources_(std::move(sources)) {
    auto forget = [this] {
      known_.With([](auto& known) {
        ++known.version;
        known.of_namespace.clear();
      });
    };
    for (auto* informer : sources_) {
      informer->AddHandler({.on_add = [forget](const auto&, bool) { forget(); },
                            .on_update = [forget](const auto&, const auto&) { forget(); },
                            .on_delete = [forget](const auto&) { forget(); }});
    }
  }

  // Those of the namespace and those of the cluster. Ones that cannot be read are left out
  // (logged).
  Values In(std::string_view ns) {
    size_t version = 0;
    Values values = known_.With([&](auto& known) -> Values {
      version = known.version;
      auto it = known.of_namespace.find(ns);
      return it == known.of_namespace.end() ? nullptr : it->second;
    });
    if (values) return values;
    values = std::make_shared<const std::vector<T>>(Decode(ns));
    known_.With([&](auto& known) {
      if (known.version == version) known.of_namespace.insert_or_assign(std::string(ns), values);
    });
    return values;
  }

 private:
  struct Known {
    size_t version = 0;  // grows with every change
    std::map<std::string, Values, std::less<>> of_namespace;
  };

  std::vector<T> Decode(std::string_view ns) const {
    std::vector<T> out;
    for (auto* informer : sources_) {
      for (const auto& object : informer->List(informer->type().namespaced ? ns : "")) {
        auto value = api::DecodeObject<T>(informer->type().kind, *object);
        if (value) {
          out.push_back(*std::move(value));
        } else {
          LogWarning("an object is left out", {{"kind", informer->type().kind},
                                               {"name", kube::KeyOf(*object).ToString()},
                                               {"error", value.error().message()}});
        }
      }
    }
    return out;
  }

  const std::vector<kube::Informer*> sources_;
  Guarded<Known> known_;
};

}  // namespace kinglet::control
