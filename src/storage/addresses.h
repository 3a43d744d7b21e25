// Which addresses a URI given by a user may lead to (server-side request forgery).
#pragma once

#include <string_view>

namespace kinglet::storage {

// Whether the address is one of the public Internet: not loopback, private, shared, link-local
// (where metadata services are), multicast or reserved, nor an IPv6 address that stands for such an
// IPv4 one.
bool IsPublicAddress(std::string_view ip);

}  // namespace kinglet::storage
