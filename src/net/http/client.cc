#include "net/http/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <vector>

#include "base/guarded.h"
#include "base/uri.h"
#include "net/http/credentials.h"

namespace kinglet::http {

namespace {

constexpr size_t kIdleHandles = 64;
constexpr size_t kMaxHeaderBytes = 256 << 10;
constexpr size_t kMaxRedirectBody = 1 << 20;  // nobody reads it

struct FreeEasy {
  void operator()(CURL* p) const { curl_easy_cleanup(p); }
};
struct FreeMulti {
  void operator()(CURLM* p) const { curl_multi_cleanup(p); }
};
struct FreeList {
  void operator()(curl_slist* p) const { curl_slist_free_all(p); }
};

// A transfer handle and the connections it keeps. One call uses one worker at a time, so that
// connections never cross threads (libcurl's shared connection cache is not safe for that).
struct Worker {
  std::unique_ptr<CURLM, FreeMulti> multi{curl_multi_init()};
  std::unique_ptr<CURL, FreeEasy> easy{curl_easy_init()};  // freed before the multi handle
  std::string origin;                                      // of the last call
};

// One request on one worker.
struct Call {
  const ClientOptions* options = nullptr;
  const ClientRequest* request = nullptr;  // as the caller made it, before redirects
  const std::function<Status(const ClientResponse&)>* on_head = nullptr;
  const std::function<Status(std::string_view)>* on_body = nullptr;
  size_t body_limit = 0;
  bool follow = false;  // a redirect with Location is not given to on_head

  ClientResponse response;
  size_t header_bytes = 0, redirect_bytes = 0;
  bool head_given = false, redirect = false;
  Status so_far;        // an error: why a callback ended the transfer
  std::string refused;  // the address to which allow_address said no
  SteadyTime last_byte = std::chrono::steady_clock::now();
  // Since when so many bytes came: from the first one on, and anew each stall timeout.
  SteadyTime window = SteadyTime::max();
  uint64_t window_bytes = 0;

  void Hear(size_t bytes) {
    last_byte = std::chrono::steady_clock::now();
    window = std::min(window, last_byte);
    window_bytes += bytes;
  }

  void HideCredentialsInHead() {
    Headers shown;
    for (const auto& [name, value] : response.headers.fields()) {
      shown.Add(name, HideCredentials(value, *request));
    }
    response.headers = std::move(shown);
  }

  // What is shown to people rather than used. (A read has no other success than these.)
  bool IsError() const {
    const bool read = request->method == "GET" || request->method == "HEAD";
    const int status = response.status;
    return !redirect && (read ? status != 200 && status != 206 : status >= 300);
  }

  Status GiveHead() {
    if (head_given) return {};
    head_given = true;
    redirect = follow && response.status >= 300 && response.status < 400 &&
               response.status != 304 && response.headers.Has("location");
    if (IsError()) HideCredentialsInHead();
    return !redirect && on_head ? (*on_head)(response) : Status{};
  }
};

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  auto& call = *static_cast<Call*>(user);
  call.Hear(size);
  call.header_bytes += size;
  if (call.header_bytes > kMaxHeaderBytes) {
    call.so_far =
        Fail(Code::kResourceExhausted, "the response's head is over {} bytes", kMaxHeaderBytes);
    return 0;
  }
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    // A new response: after 100 Continue or a proxy's CONNECT.
    call.response.headers.Clear();
    size_t space = line.find(' ');
    call.response.status =
        space == std::string_view::npos ? 0 : atoi(std::string(line.substr(space + 1)).c_str());
    return size;
  }
  size_t colon = line.find(':');
  if (colon != std::string_view::npos && !call.head_given) {
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) {
      value.remove_prefix(1);
    }
    call.response.headers.Add(line.substr(0, colon), value);
  }
  return size;
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto& call = *static_cast<Call*>(user);
  call.Hear(size);
  if (call.so_far) call.so_far = call.GiveHead();
  if (!call.so_far) return 0;
  if (call.redirect) {
    call.redirect_bytes += size;
    if (call.redirect_bytes <= kMaxRedirectBody) return size;
    call.so_far =
        Fail(Code::kFailedPrecondition, "a redirect's body is over {} bytes", kMaxRedirectBody);
    return 0;
  }
  std::string_view bytes(data, size);
  if (call.on_body) {
    call.so_far = (*call.on_body)(bytes);
  } else if (call.response.body.size() + size > call.body_limit) {
    call.so_far =
        Fail(Code::kResourceExhausted, "the response's body is over {} bytes", call.body_limit);
  } else {
    call.response.body.append(bytes);
  }
  return call.so_far ? size : 0;
}

curl_socket_t OpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& call = *static_cast<Call*>(user);
  if (call.options->allow_address && address->family != AF_UNIX) {
    char ip[INET6_ADDRSTRLEN] = "";
    int port = 0;
    if (address->family == AF_INET) {
      auto& in = reinterpret_cast<sockaddr_in&>(address->addr);
      inet_ntop(AF_INET, &in.sin_addr, ip, sizeof ip);
      port = ntohs(in.sin_port);
    } else {
      auto& in = reinterpret_cast<sockaddr_in6&>(address->addr);
      inet_ntop(AF_INET6, &in.sin6_addr, ip, sizeof ip);
      port = ntohs(in.sin6_port);
    }
    if (!call.options->allow_address(ip, port)) {
      call.refused = ip;
      return CURL_SOCKET_BAD;
    }
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

Error AddressRefused(std::string_view ip) {
  return Error(Code::kPermissionDenied,
               fmt::format("the address {} of this host is not allowed", ip));
}

// The address that a host's name is, also in the old forms with less than four numbers, or octal or
// hexadecimal ones, which libcurl and proxies take; "" for a name.
std::string AddressOf(const std::string& host) {
  char ip[INET6_ADDRSTRLEN] = "";
  in_addr v4{};
  in6_addr v6{};
  const std::string without_zone = host.substr(0, host.find('%'));
  if (inet_pton(AF_INET6, without_zone.c_str(), &v6) == 1) {
    inet_ntop(AF_INET6, &v6, ip, sizeof ip);
  } else if (inet_aton(host.c_str(), &v4) == 1) {
    inet_ntop(AF_INET, &v4, ip, sizeof ip);
  }
  return ip;
}

Error TransferError(CURLcode code, const Call& call, const char* detail) {
  std::string text = detail[0] ? detail : curl_easy_strerror(code);
  if (!call.refused.empty()) return AddressRefused(call.refused);
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return Error(Code::kInvalidArgument, text);
    case CURLE_OPERATION_TIMEDOUT:
      return Error(Code::kDeadlineExceeded, text);
    case CURLE_OUT_OF_MEMORY:
      return Error(Code::kResourceExhausted, text);
    case CURLE_PEER_FAILED_VERIFICATION:  // a later attempt meets the same certificate
      return Error(Code::kFailedPrecondition, text);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Error(Code::kInvalidArgument, text);
    default:
      return Error(Code::kUnavailable, text);
  }
}

void SetBlob(CURL* easy, CURLoption option, const std::string& bytes) {
  curl_blob blob{const_cast<char*>(bytes.data()), bytes.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

void SetTls(CURL* easy, const ClientOptions& options) {
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  if (!options.ca_pem.empty()) SetBlob(easy, CURLOPT_CAINFO_BLOB, options.ca_pem);
  if (!options.cert_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options.cert_file.c_str());
  }
  if (!options.key_file.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, options.key_file.c_str());
  if (!options.cert_pem.empty()) SetBlob(easy, CURLOPT_SSLCERT_BLOB, options.cert_pem);
  if (!options.key_pem.empty()) SetBlob(easy, CURLOPT_SSLKEY_BLOB, options.key_pem);
  if (options.insecure_skip_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

// libcurl reads http_proxy only, because of CGI (see proxy.h). Pods have it in capitals, as most
// clients read it. Null: libcurl finds the proxy. It looks at NO_PROXY in either case.
const char* ProxyInCapitals(const Uri& uri) {
  bool libcurls = uri.scheme != "http" || getenv("http_proxy") || getenv("REQUEST_METHOD");
  const char* proxy = libcurls ? nullptr : getenv("HTTP_PROXY");
  return proxy && *proxy ? proxy : nullptr;
}

class ClientImpl final : public Client {
 public:
  explicit ClientImpl(ClientOptions options) : options_(std::move(options)) {
    static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)global;
  }

  Result<ClientResponse> Do(const ClientRequest& request, size_t body_limit) override {
    Call call;
    call.options = &options_;
    call.request = &request;
    call.body_limit = body_limit;
    return Follow(request, call);
  }

  Result<ClientResponse> Stream(const ClientRequest& request,
                                const std::function<Status(const ClientResponse&)>& on_head,
                                const std::function<Status(std::string_view)>& on_body) override {
    Call call;
    call.options = &options_;
    call.request = &request;
    call.on_head = &on_head;
    call.on_body = &on_body;
    return Follow(request, call);
  }

 private:
  using WorkerList = std::list<std::unique_ptr<Worker>>;

  Result<ClientResponse> Follow(const ClientRequest& request, Call prototype) {
    bool safe = request.method == "GET" || request.method == "HEAD";
    ClientRequest current = request;
    for (int hop = 0;; ++hop) {
      Call call = prototype;
      call.follow = safe && hop < options_.max_redirects;
      call.response.final_url = current.url;
      KINGLET_RETURN_IF_ERROR(Perform(current, call));
      if (!call.redirect) {
        if (hop == options_.max_redirects && hop > 0 && call.response.status >= 300 &&
            call.response.status < 400 && call.response.headers.Has("location")) {
          return Fail(Code::kFailedPrecondition, "{}: more than {} redirects",
                      RedactUri(request.url), options_.max_redirects);
        }
        if (call.IsError()) {
          call.response.body = HideCredentials(std::move(call.response.body), request);
        }
        return std::move(call.response);
      }
      KINGLET_TRY(std::string next, Resolve(current.url, call.response.headers.Get("location")));
      KINGLET_TRY(Uri from, Uri::Parse(current.url));
      KINGLET_TRY(Uri to, Uri::Parse(next));
      if (from.scheme == "https" && to.scheme != "https") {
        return Fail(Code::kPermissionDenied, "{}: redirected from https to {}",
                    RedactUri(request.url), to.scheme);
      }
      if (from.Origin() != to.Origin()) {
        current.headers = WithoutCredentials(current.headers);
        current.negotiate = false;
      }
      current.url = std::move(next);
    }
  }

  static Result<std::string> Resolve(const std::string& base, std::string_view location) {
    std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
    char* text = nullptr;
    if (curl_url_set(url.get(), CURLUPART_URL, base.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK ||
        curl_url_set(url.get(), CURLUPART_URL, std::string(location).c_str(),
                     CURLU_PATH_AS_IS | CURLU_URLENCODE) != CURLUE_OK ||
        curl_url_get(url.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) {
      return Fail(Code::kUnavailable, "{}: redirected to a malformed URL", RedactUri(base));
    }
    std::string result = text;
    curl_free(text);
    return result;
  }

  Status Perform(const ClientRequest& request, Call& call) {
    KINGLET_TRY(Uri uri, Uri::Parse(request.url));
    if (uri.scheme != "http" && uri.scheme != "https") {
      return Fail(Code::kInvalidArgument, "{}: only http and https URLs can be requested",
                  RedactUri(request.url));
    }
    std::string origin = uri.Origin();
    auto context = [&](const Error& error) {
      return Unexpected(error.WithContext(fmt::format("{} {}", request.method, origin + uri.path)));
    };
    if (request.stop.stop_requested()) return context({Code::kCancelled, "cancelled"});
    // A proxy makes the connection itself, so that OpenSocket does not see where it leads.
    const std::string address = options_.allow_address ? AddressOf(uri.host) : "";
    if (!address.empty() && !options_.allow_address(address, uri.PortOr(0))) {
      return context(AddressRefused(address));
    }
    std::unique_ptr<Worker> worker = Borrow(origin);
    if (!worker->multi || !worker->easy) return Fail(Code::kResourceExhausted, "out of memory");
    CURL* easy = worker->easy.get();
    curl_easy_reset(easy);
    char detail[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
    std::unique_ptr<curl_slist, FreeList> lists[2];
    SetUp(easy, request, uri, call, lists);

    curl_multi_add_handle(worker->multi.get(), easy);
    Result<CURLcode> code = Drive(*worker, request, call);
    long status = 0;
    if (code && *code == CURLE_OK) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(worker->multi.get(), easy);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
    GiveBack(std::move(worker), std::move(origin));

    if (!code) return context(code.error());
    if (!call.so_far) return Unexpected(call.so_far.error());
    if (*code != CURLE_OK) return context(TransferError(*code, call, detail));
    if (call.response.status == 0) call.response.status = static_cast<int>(status);
    return call.GiveHead();
  }

  void SetUp(CURL* easy, const ClientRequest& request, const Uri& uri, Call& call,
             std::unique_ptr<curl_slist, FreeList> (&lists)[2]) {
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, OpenSocket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &call);
    if (!options_.proxy_url.empty()) {
      curl_easy_setopt(easy, CURLOPT_PROXY, options_.proxy_url.c_str());
    } else if (!options_.use_environment_proxy) {
      curl_easy_setopt(easy, CURLOPT_PROXY, "");
    } else if (const char* proxy = ProxyInCapitals(uri)) {
      curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
    }
    if (options_.accept_encoding) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (!options_.unix_socket.empty()) {
      bool abstract = options_.unix_socket[0] == '@';
      curl_easy_setopt(easy, abstract ? CURLOPT_ABSTRACT_UNIX_SOCKET : CURLOPT_UNIX_SOCKET_PATH,
                       options_.unix_socket.c_str() + (abstract ? 1 : 0));
    }
    auto milliseconds = [](Duration d) {
      auto ms = std::chrono::ceil<std::chrono::milliseconds>(d).count();
      return static_cast<long>(std::clamp<int64_t>(ms, 1, 1'000'000'000));
    };
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options_.connect_timeout));
    SetTls(easy, options_);
    if (request.negotiate) {
      curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_NEGOTIATE));
      curl_easy_setopt(easy, CURLOPT_USERPWD, ":");
    }

    curl_slist* fields = nullptr;
    auto add = [&](const std::string& line) { fields = curl_slist_append(fields, line.c_str()); };
    bool host = false, type = false;
    for (auto& [name, value] : request.headers.fields()) {
      host |= EqualsIgnoreCase(name, "host");
      type |= EqualsIgnoreCase(name, "content-type");
      std::string line = value.empty() ? name + ";" : fmt::format("{}: {}", name, value);
      std::erase_if(line, [](char c) { return c == '\r' || c == '\n'; });
      add(line);
    }
    add("Expect:");
    if (!type) add("Content-Type:");
    if (!request.headers.Has("accept")) add("Accept: */*");
    if (!options_.user_agent.empty() && !request.headers.Has("user-agent")) {
      curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
    }

    std::string url = request.url;
    if (!options_.tls_server_name.empty() && uri.scheme == "https") {
      // The certificate is checked against this name although the connection goes to the URL's
      // host.
      int port = uri.PortOr(443);
      Uri named = uri;
      named.host = options_.tls_server_name;
      url = named.ToString();
      std::string bracketed =
          uri.host.find(':') == std::string::npos ? uri.host : "[" + uri.host + "]";
      lists[1].reset(curl_slist_append(
          nullptr, fmt::format("{}:{}:{}:{}", named.host, port, bracketed, port).c_str()));
      curl_easy_setopt(easy, CURLOPT_CONNECT_TO, lists[1].get());
      if (!host) add("Host: " + uri.Authority());
    }
    lists[0].reset(fields);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());

    if (request.method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
               request.method == "PATCH") {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    } else {
      curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }

  // Runs the transfer to its end. The stop token wakes the wait, so nothing is polled.
  Result<CURLcode> Drive(Worker& worker, const ClientRequest& request, Call& call) {
    CURLM* multi = worker.multi.get();
    std::stop_callback wake(request.stop, [multi] { curl_multi_wakeup(multi); });
    while (true) {
      int running = 0;
      CURLMcode result = curl_multi_perform(multi, &running);
      if (result != CURLM_OK) return Fail(Code::kInternal, "{}", curl_multi_strerror(result));
      int left = 0;
      while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
        if (message->msg == CURLMSG_DONE) return message->data.result;
      }
      if (request.stop.stop_requested()) return Fail(Code::kCancelled, "cancelled");
      SteadyTime now = std::chrono::steady_clock::now();
      Duration wait = std::chrono::seconds(60);
      if (!request.deadline.IsNever()) {
        if (now >= request.deadline.at()) {
          return Fail(Code::kDeadlineExceeded, "no answer before the deadline");
        }
        wait = std::min<Duration>(wait, request.deadline.at() - now);
      }
      if (request.stall_timeout > Duration::zero()) {
        SteadyTime stalled = call.last_byte + request.stall_timeout;
        if (now >= stalled) {
          return Fail(Code::kDeadlineExceeded, "stalled: no byte received for {} s",
                      std::chrono::duration<double>(request.stall_timeout).count());
        }
        wait = std::min<Duration>(wait, stalled - now);
        if (call.window < now - request.stall_timeout) {
          const double seconds = std::chrono::duration<double>(now - call.window).count();
          if (static_cast<double>(call.window_bytes) < kMinBytesPerSecond * seconds) {
            return Fail(Code::kDeadlineExceeded, "stalled: {} bytes received in {:.0f} s",
                        call.window_bytes, seconds);
          }
          call.window = now;
          call.window_bytes = 0;
        }
      }
      auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
      curl_multi_poll(multi, nullptr, 0, static_cast<int>(ms), nullptr);
    }
  }

  std::unique_ptr<Worker> Borrow(const std::string& origin) {
    auto idle = idle_.Acquire();
    if (idle->empty()) return std::make_unique<Worker>();
    auto best = std::find_if(idle->begin(), idle->end(),
                             [&](auto& worker) { return worker->origin == origin; });
    if (best == idle->end()) {
      if (idle->size() < kIdleHandles / 2) return std::make_unique<Worker>();
      best = std::prev(idle->end());
    }
    auto worker = std::move(*best);
    idle->erase(best);
    return worker;
  }

  void GiveBack(std::unique_ptr<Worker> worker, std::string origin) {
    worker->origin = std::move(origin);
    std::unique_ptr<Worker> dropped;
    auto idle = idle_.Acquire();
    idle->push_front(std::move(worker));
    if (idle->size() > kIdleHandles) {
      dropped = std::move(idle->back());
      idle->pop_back();
    }
  }

  ClientOptions options_;
  Guarded<WorkerList> idle_;
};

}  // namespace

std::unique_ptr<Client> Client::Make(ClientOptions options) {
  return std::make_unique<ClientImpl>(std::move(options));
}

}  // namespace kinglet::http
