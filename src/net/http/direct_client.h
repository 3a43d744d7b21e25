// http::Client without libcurl, for programs that talk to one server or two and should stay small:
// what the control plane asks the API server with.
#pragma once

#include <memory>

#include "net/http/client.h"

namespace kinglet::http {

// HTTP/1.1 over sockets and OpenSSL: keep-alive connections, chunked and streamed bodies, proxies
// (HTTP, with CONNECT), client certificates, files of certificates read again when they change. A
// kept connection that turns out to be closed is replaced once, where nothing can have been done
// twice. Redirects are answers, bodies are not compressed, nobody negotiates: max_redirects,
// accept_encoding and negotiate do not count. A GET that ran into a closed connection may be sent
// twice.
std::unique_ptr<Client> MakeDirectClient(ClientOptions options = {});

}  // namespace kinglet::http
