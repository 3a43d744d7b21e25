// Signed JSON Web Tokens (RFC 7519, RS256), as service accounts exchange them for access tokens.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::storage {

// "header.claims.signature". The header gets alg and typ. kInvalidArgument when the PEM is no RSA
// private key.
Result<std::string> SignJwt(Json header, const Json& claims, std::string_view private_key_pem);

}  // namespace kinglet::storage
