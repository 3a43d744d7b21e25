// What handlers ask about the request and its client, and the guard's answer to it.
#include <arpa/inet.h>

#include "base/json.h"
#include "net/http/connection.h"

namespace kinglet::http {
namespace {

std::string AddressText(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    auto& address = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(address.sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
    inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(address.sin6_port));
  }
  return "unix";
}

}  // namespace

Headers Connection::headers() const {
  Headers result;
  for (size_t i = 0; i < parser_.fields(); ++i) result.Add(parser_.name(i), parser_.value(i));
  return result;
}

void Connection::ForEachHeader(
    const std::function<void(std::string_view, std::string_view)>& visit) const {
  for (size_t i = 0; i < parser_.fields(); ++i) visit(parser_.name(i), parser_.value(i));
}

std::string Connection::peer() const { return AddressText(peer_); }

std::string Connection::local() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return AddressText(address);
}

// Answers what the guard does not let through, and the preflights of what it does.
bool Connection::RefusedByGuard() {
  const BrowserGuard::Request request{.host = parser_.Get("host"),
                                      .origin = parser_.Get("origin"),
                                      .fetch_site = parser_.Get("sec-fetch-site"),
                                      .secure = tls_ != nullptr};
  const BrowserGuard::Verdict verdict = core_.options.guard->Check(request);
  if (verdict == BrowserGuard::Verdict::kPass) return false;
  if (verdict == BrowserGuard::Verdict::kPassOrigin) {
    may_be_read_ = true;
    std::string_view asked = parser_.Get("access-control-request-method");
    if (parser_.method() != "OPTIONS" || asked.empty()) return false;
    Headers headers;
    headers.Add("Access-Control-Allow-Methods", asked);
    std::string_view fields = parser_.Get("access-control-request-headers");
    if (!fields.empty()) headers.Add("Access-Control-Allow-Headers", fields);
    Send(204, {}, {}, &headers);
    return true;
  }
  close_ = true;  // a page holds no connections that the owner may need
  const std::string body =
      Json::MakeObject({{"error", BrowserGuard::Reason(verdict, request)}}).Dump();
  Send(403, "application/json", body, nullptr);
  return true;
}

}  // namespace kinglet::http
