// Protects a server that shares a machine with a web browser from the pages in that browser.
//
// A page can send requests to any address that the browser reaches, loopback included, and the
// browser says where each comes from. The rules, in this order:
//
//   1. Host (if check_host): an IP address, "localhost" or a known name. A page whose name was made
//      to resolve to this machine (DNS rebinding) sends that name here. An address cannot be
//      rebound. 0.0.0.0, :: and ::ffff:127.0.0.1 lead to this machine, too, but browsers do not
//      count them as loopback addresses and leave Sec-Fetch-Site out, so these are refused.
//   2. Origin: absent (no browser, or a navigation), one of `origins`, or a page of this very
//      server: the authority of Host, and that Host one of those in rule 1. An address or localhost
//      must have the scheme, too: behind a name there may be a proxy that speaks TLS, but
//      https://localhost is another program's. Anything else is foreign, "null" too.
//   3. Sec-Fetch-Site, if there is no Origin: absent, "none" or "same-origin". Browsers leave the
//      Origin of images, frames and scripts out.
//
// A refusal is 403 with the reason, and the end of the connection. Preflights of allowed origins
// are answered here, and their responses carry Access-Control-Allow-Origin. Programs that are no
// browsers send neither Origin nor Sec-Fetch-Site and notice rule 1 only.
//
// When a server uses it: a model server always when it listens on a loopback address, and all of
// standalone mode always. A model server that listens on all addresses is in a container behind an
// ingress, which knows the names and origins of its users; it checks nothing unless it is told
// which to allow.
//
// Immutable, so safe on every thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kinglet::http {

struct BrowserGuardOptions {
  bool check_host = true;
  // Names that Host may have besides addresses and "localhost", without a port:
  // "models.example.com",
  // ".example.com" for every name below, "*" for any.
  std::vector<std::string> hosts;
  // Pages of other servers that may send requests and read the answers: "https://app.example.com",
  // "*".
  std::vector<std::string> origins;
  // Names that are known at the moment of the request (lower case, without a port). Only names that
  // nobody else can have a server for. May be empty.
  std::function<bool(std::string_view host)> knows_host;
};

class BrowserGuard {
 public:
  explicit BrowserGuard(BrowserGuardOptions options) : options_(std::move(options)) {}

  // Checks the values of "a,b,c" flags: kInvalidArgument names the part that is no name or origin.
  static Result<std::vector<std::string>> ParseHosts(std::string_view list);
  static Result<std::vector<std::string>> ParseOrigins(std::string_view list);

  struct Request {
    std::string_view host, origin, fetch_site;
    bool secure = false;  // came by TLS
  };
  enum class Verdict {
    kPass,         // no page, or a page of this server
    kPassOrigin,   // a page of an allowed origin, which may read the answer
    kRefuseHost,   // rule 1
    kRefuseOrigin  // rules 2 and 3
  };
  Verdict Check(const Request& request) const;
  // Why a request was refused and what to do about it.
  static std::string Reason(Verdict verdict, const Request& request);

 private:
  bool KnowsHost(std::string_view host) const;
  const BrowserGuardOptions options_;
};

// Whether who listens at this address or name listens on a loopback address. Names other than
// localhost are looked up, as listening does: "127.1", "ip6-localhost" and many machines' own names
// are loopback addresses. For use at the start.
bool IsLoopbackHost(std::string_view host);

}  // namespace kinglet::http
