// A client that sees part of the namespaces: one of them, or one shard of all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kube/client.h"

namespace kinglet::kube {

struct Scope {
  std::string ns;  // "" all
  // Of several managers, this one takes the namespaces that hash to `shard`.
  int64_t shard = 0, shards = 1;

  bool IsEverything() const { return ns.empty() && shards <= 1; }
  bool Contains(std::string_view of) const;
};

// "2/5" is shard 2 of 5, counted from 0.
Result<Scope> ParseScope(std::string ns, std::string_view shard);

// Lists and watches of all namespaces bring what lies in the scope; everything else passes through.
// So a controller need not know that it has a scope. `inner` must outlive the result.
std::unique_ptr<Client> MakeScopedClient(Client& inner, Scope scope);

}  // namespace kinglet::kube
