// GET with ?watch=1: a stream of events as JSON lines, on the connection's loop.
#pragma once

#include "local/apiserver/api.h"
#include "net/http/server.h"
#include "net/task.h"

namespace kinglet::local {

// Answers the exchange until the client goes, timeoutSeconds pass, the server stops or the watcher
// falls too far behind (an ERROR event with code 410 then).
net::Task<void> ServeWatch(Api& api, Call call, http::Exchange& exchange, std::stop_token stop);

}  // namespace kinglet::local
