// An answer before it is sent. Reused between requests.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http/message.h"

namespace kinglet::server {

struct Reply {
  static constexpr std::string_view kJson = "application/json";

  int status = 200;
  std::string_view content_type = kJson;  // of static storage
  std::string body;
  http::Headers headers;  // besides Content-Type and Content-Length

  void Clear() {
    status = 200;
    content_type = kJson;
    body.clear();
    headers.Clear();
  }
};

// {"error": message}, with the status KServe's servers give: 400 wrong input, 404 no such model,
// 413 too large, 501 not implemented, 503 not ready,
// 500 anything else.
void SetError(const Error& error, Reply* reply);
// {"detail": text}, as FastAPI answers by itself.
void SetDetail(int status, std::string_view text, Reply* reply);

}  // namespace kinglet::server
