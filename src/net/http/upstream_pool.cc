#include "net/http/upstream_pool.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>

namespace kinglet::http {

namespace {

constexpr size_t kReadSize = 64 << 10;
constexpr size_t kIdlePerHost = 256;
constexpr Duration kIdleTime = std::chrono::seconds(50);  // below common servers' keep-alive
constexpr Duration kNameTime = std::chrono::seconds(5);
constexpr size_t kNames = 4096;
constexpr int kMaxInterim = 16;

}  // namespace

net::Task<Result<size_t>> UpstreamConnection::Fill(Deadline deadline, std::stop_token stop) {
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  }
  size_t have = buffer_.size();
  buffer_.resize(have + kReadSize);
  auto got = co_await socket_->Read(buffer_.data() + have, kReadSize, deadline, std::move(stop));
  buffer_.resize(have + (got ? *got : 0));
  co_return got;
}

net::Task<Status> UpstreamConnection::ReadHead(std::string_view method, Deadline deadline,
                                               std::stop_token stop, bool* silent) {
  *silent = true;
  for (int interim = 0;;) {
    auto state = begin_ < buffer_.size() ? parser_.Parse(Input()) : HeadParser::State::kIncomplete;
    if (state == HeadParser::State::kError) {
      *silent = false;
      co_return Fail(Code::kUnavailable, "the upstream's response is malformed: {}",
                     parser_.error());
    }
    if (state == HeadParser::State::kDone) {
      *silent = false;
      if (parser_.status() == 101) {
        co_return Fail(Code::kUnavailable, "the upstream switched protocols unasked");
      }
      if (parser_.status() >= 200) break;
      if (++interim > kMaxInterim) {
        co_return Fail(Code::kUnavailable, "the upstream sends too many interim responses");
      }
      begin_ += parser_.head_size();
      parser_.Reset();
      continue;
    }
    auto got = co_await Fill(deadline, stop);
    if (!got) co_return Unexpected(got.error());
    if (*got == 0) co_return Fail(Code::kUnavailable, "the upstream closed the connection");
    *silent = false;
  }
  // The head's views must survive reading the body into the same buffer.
  head_bytes_.assign(Input().substr(0, parser_.head_size()));
  parser_.Rebase(head_bytes_.data());
  begin_ += parser_.head_size();
  framing_ = parser_.ResponseFraming(method);
  left_ = parser_.content_length();
  keep_alive_ = parser_.keep_alive() && framing_ != Framing::kUntilClose;
  body_done_ = framing_ == Framing::kNone;
  co_return Status{};
}

net::Task<Result<std::string_view>> UpstreamConnection::ReadBody(Deadline deadline,
                                                                 std::stop_token stop) {
  piece_.clear();
  while (!body_done_) {
    if (begin_ == buffer_.size()) {
      auto got = co_await Fill(deadline, stop);
      if (!got) co_return Unexpected(got.error());
      if (*got == 0) {
        if (framing_ != Framing::kUntilClose) {
          co_return Fail(Code::kUnavailable, "the upstream's response was cut short");
        }
        body_done_ = true;
        break;
      }
    }
    if (framing_ == Framing::kUntilClose || framing_ == Framing::kLength) {
      std::string_view piece = Input();
      if (framing_ == Framing::kLength) {
        piece = piece.substr(0, static_cast<size_t>(std::min<uint64_t>(left_, piece.size())));
        left_ -= piece.size();
        body_done_ = left_ == 0;
      }
      begin_ += piece.size();
      co_return piece;
    }
    // The chunks of one read make one piece, so that they are also sent on together.
    while (begin_ < buffer_.size() && !body_done_) {
      auto step = chunks_.Next(Input());
      begin_ += step.consumed;
      if (step.state == ChunkDecoder::State::kError) {
        co_return Fail(Code::kUnavailable, "the upstream's response is malformed: {}",
                       chunks_.error());
      }
      piece_.append(step.payload);
      body_done_ = chunks_.done();
    }
    if (!piece_.empty()) co_return piece_;
  }
  co_return std::string_view();
}

void UpstreamConnection::Reset() {
  parser_.Reset();
  chunks_.Reset();
  body_done_ = keep_alive_ = false;
  piece_ = {};
}

UpstreamPool::~UpstreamPool() { loop_.impl().Disarm(this); }

std::unique_ptr<UpstreamConnection> UpstreamPool::Take(const std::string& key) {
  auto it = idle_.find(key);
  if (it == idle_.end()) return nullptr;
  while (!it->second.empty()) {
    auto connection = std::move(it->second.back());
    it->second.pop_back();
    if (!connection->socket().Idle()) continue;
    connection->Reset();
    connection->reused = true;
    return connection;
  }
  return nullptr;
}

void UpstreamPool::Give(std::unique_ptr<UpstreamConnection> connection) {
  auto& list = idle_[connection->key()];
  if (list.size() >= kIdlePerHost) return;
  connection->idle_since = loop_.impl().now();
  list.push_back(std::move(connection));
  if (!armed()) loop_.impl().Arm(this, loop_.impl().now() + kIdleTime / 2);
}

void UpstreamPool::OnTimer() {
  SteadyTime oldest = loop_.impl().now() - kIdleTime;
  for (auto it = idle_.begin(); it != idle_.end();) {
    std::erase_if(it->second, [&](auto& connection) {
      return connection->idle_since < oldest || !connection->socket().Idle();
    });
    it = it->second.empty() ? idle_.erase(it) : std::next(it);
  }
  if (!idle_.empty()) loop_.impl().Arm(this, loop_.impl().now() + kIdleTime / 2);
}

net::Task<Result<Resolver::Address>> Resolver::Resolve(const std::string& host, int port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    address.size = sizeof v4;
    co_return address;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    address.size = sizeof v6;
    co_return address;
  }
  std::string key = fmt::format("{}:{}", host, port);
  SteadyTime now = std::chrono::steady_clock::now();
  {
    auto cache = cache_.Acquire();
    if (auto it = cache->find(key); it != cache->end() && it->second.until > now) {
      co_return it->second.address;
    }
  }
  auto looked_up = co_await pool_.Run([&]() -> Result<Address> {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) {
      return Fail(Code::kUnavailable, "cannot resolve {}: {}", host, gai_strerror(error));
    }
    Address result;
    memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
    result.size = found->ai_addrlen;
    freeaddrinfo(found);
    return result;
  });
  if (!looked_up) co_return Unexpected(looked_up.error());
  if (!*looked_up) co_return Unexpected(looked_up->error());
  auto cache = cache_.Acquire();
  if (cache->size() >= kNames) cache->clear();
  (*cache)[key] = Entry{**looked_up, now + kNameTime};
  co_return **looked_up;
}

}  // namespace kinglet::http
