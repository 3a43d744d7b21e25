// Which addresses a download may lead to (server-side request forgery). The rule, for each
// connection and therefore for redirects and names too:
//
//  * Link-local addresses, and others where clouds have their metadata services, are never a
//    model's: whoever names a URI could read the machine's credentials with it. Only the clients
//    that ask for credentials go there (LinkLocalClient in web.h).
//  * Loopback and private addresses are allowed: stores are on this machine or in the cluster.
//  * STORAGE_HTTP_ADDRESSES=public: http(s) URIs, those of repositories included, lead to public
//    addresses only.
//  * STORAGE_HTTP_ADDRESSES=any: there is no rule.
#pragma once

#include <string_view>

namespace kinglet::storage {

// Whether the address is one of the public Internet: not loopback, private, shared, link-local
// (where metadata services are), multicast or reserved, nor an IPv6 address that stands for such an
// IPv4 one.
bool IsPublicAddress(std::string_view ip);

// Whether a cloud's metadata service may be there: link-local addresses, and those that single
// clouds chose elsewhere, also as IPv6 addresses that stand for IPv4 ones. True for what is not an
// address.
bool IsMetadataAddress(std::string_view ip);

}  // namespace kinglet::storage
