#include "server/reply.h"

#include "base/json.h"

namespace kinglet::server {

void SetError(const Error& error, Reply* reply) {
  reply->Clear();
  reply->status = error.code() == Code::kResourceExhausted ? 413 : HttpStatus(error.code());
  reply->body = "{\"error\":";
  AppendJsonString(reply->body, error.message());
  reply->body += '}';
}

void SetDetail(int status, std::string_view text, Reply* reply) {
  reply->Clear();
  reply->status = status;
  reply->body = "{\"detail\":";
  AppendJsonString(reply->body, text);
  reply->body += '}';
}

}  // namespace kinglet::server
