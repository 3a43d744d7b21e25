// Two HTTP clients behind small interfaces.
//
// Client: blocking. Client::Make is built on libcurl, for storage and tools: HTTP/1.1, TLS, client
// certificates, proxies from the environment, connection reuse. Thread-safe: one connection pool,
// any number of callers.
//
// MakeDirectClient (direct_client.h): the same without libcurl. Upstream (upstream.h): on a loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http/message.h"

namespace kinglet::http {

struct ClientOptions {
  std::string ca_file;              // PEM; "" the system's
  std::string ca_pem;               // or the bytes themselves
  std::string cert_file, key_file;  // client certificate
  std::string cert_pem, key_pem;
  bool insecure_skip_verify = false;
  std::string tls_server_name;
  std::string user_agent;
  Duration connect_timeout = std::chrono::seconds(10);
  int max_redirects = 0;  // followed for GET and HEAD only; credentials never cross hosts
  bool use_environment_proxy = true;
  std::string proxy_url;         // used instead of the environment's when set: "http://proxy:3128"
  bool accept_encoding = false;  // ask for and undo gzip
  std::string unix_socket;       // connect there whatever the URL's host ("@name": abstract)
  // Called with each resolved address before connecting, redirects included; false refuses it.
  // Behind a proxy, which resolves names itself, only addresses that stand in the URL are known.
  std::function<bool(std::string_view ip, int port)> allow_address;
};

// A server that sends less keeps a caller waiting without end, and is not slow but hostile or
// broken.
inline constexpr uint64_t kMinBytesPerSecond = 64;

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  Deadline deadline = Deadline::Never();  // for the whole call
  // No byte received for so long, or after the first fewer than kMinBytesPerSecond over so long:
  // kDeadlineExceeded. Zero: no limit.
  Duration stall_timeout = Duration::zero();
  std::stop_token stop;  // kCancelled
  // SPNEGO with the calling thread's Kerberos credentials; never after a redirect to another
  // origin.
  bool negotiate = false;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;       // empty for Stream
  std::string final_url;  // after redirects
};

class Client {
 public:
  static std::unique_ptr<Client> Make(ClientOptions options = {});
  virtual ~Client() = default;

  // Answers of 400 and above come with the request's credentials hidden in them, since they become
  // errors (Stream: in the head only; see credentials.h).
  //
  // Any HTTP status is a response; errors are for what kept one from arriving (kUnavailable:
  // connect, reset, TLS; kFailedPrecondition: a certificate that is not trusted; kDeadlineExceeded;
  // kCancelled; kResourceExhausted over body_limit; ...).
  virtual Result<ClientResponse> Do(const ClientRequest& request,
                                    size_t body_limit = size_t{256} << 20) = 0;

  // Gives the body in pieces as they arrive. on_head runs once (final response) and may refuse with
  // an error; on_body may stop with an error. Both run on the calling thread. The returned body is
  // empty. A body shorter than Content-Length is kUnavailable.
  virtual Result<ClientResponse> Stream(const ClientRequest& request,
                                        const std::function<Status(const ClientResponse&)>& on_head,
                                        const std::function<Status(std::string_view)>& on_body) = 0;
};

}  // namespace kinglet::http
