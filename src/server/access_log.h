// A line a request, as uvicorn writes it or in the format of --access_log_format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/http/server.h"
#include "server/line_log.h"

namespace kinglet::server {

class AccessLog {
 public:
  // "": uvicorn's default line. Else asgi-logger's format: %(h)s client, %(t)s time, %(r)s request
  // line, %(m)s method, %(U)s path, %(q)s query, %(H)s protocol, %(s)s or %(st)s status, %(b)s and
  // %(B)s response bytes, %(f)s referer, %(a)s agent, %(T)s seconds, %(M)s milliseconds, %(D)s
  // microseconds, %(L)s decimal seconds, %(p)s process id, %(l)s and %(u)s "-",
  // %({name}i)s request header.
  static Result<AccessLog> Parse(std::string_view format);

  void Append(const http::Exchange& exchange, int status, size_t bytes, Duration took,
              LineLog* log) const;

 private:
  struct Piece {
    std::string literal;  // written first
    std::string atom;     // "h", "{x-request-id}i", "" for none
  };
  static void AppendAtom(std::string_view atom, const http::Exchange& exchange, int status,
                         size_t bytes, Duration took, std::string* line);

  bool uvicorn_ = true;
  std::vector<Piece> pieces_;
};

}  // namespace kinglet::server
