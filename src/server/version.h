#pragma once

#include <string_view>

namespace kinglet::server {

// The release of KServe whose protocol the server speaks; clients read it from GET /v2.
inline constexpr std::string_view kKServeVersion = "0.15.0";

}  // namespace kinglet::server
