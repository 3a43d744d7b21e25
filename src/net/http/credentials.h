// Which parts of a request are credentials, and what must not happen to them.
#pragma once

#include <string>
#include <string_view>

#include "net/http/client.h"

namespace kinglet::http {

// The fields of a request that may follow a redirect to another origin: those that cannot carry a
// credential. (An unknown field may be one.)
Headers WithoutCredentials(const Headers& fields);

// The text with "***" for each of the request's credentials: values of header fields that may be
// one, the URL's user information, and query parameters named like a signature, token or password.
// Servers repeat in their errors what they were sent, and errors are read by more people than
// secrets are.
std::string HideCredentials(std::string text, const ClientRequest& request);

}  // namespace kinglet::http
