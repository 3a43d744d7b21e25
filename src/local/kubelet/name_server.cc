#include "local/kubelet/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "base/clock.h"
#include "base/text.h"
#include "local/kubelet/dns_message.h"
#include "local/kubelet/services.h"

namespace kinglet::kubelet {
namespace {

constexpr size_t kMaxForwarded = 512;  // each has a descriptor
// Of one pod, so that none keeps the others from theirs.
constexpr size_t kMaxForwardedEach = 128;
constexpr auto kForwardTimeout = std::chrono::seconds(10);

struct Served {
  Fd socket;
  std::string ns, owner;
};

// A question that the host's name server was asked.
struct Forwarded {
  std::weak_ptr<Served> from;
  sockaddr_in client{};
  uint16_t id = 0;
  std::string question;  // the bytes an answer must repeat
  Deadline deadline = Deadline::After(kForwardTimeout);
  Fd upstream;  // of its own, so that its source port is hard to guess
};

// A connected UDP socket.
Result<Fd> Dial(const std::string& server) {
  sockaddr_storage raw{};
  socklen_t size = sizeof(sockaddr_in);
  auto& in = reinterpret_cast<sockaddr_in&>(raw);
  auto& in6 = reinterpret_cast<sockaddr_in6&>(raw);
  if (inet_pton(AF_INET, server.c_str(), &in.sin_addr) == 1) {
    in.sin_family = AF_INET;
    in.sin_port = htons(53);
  } else if (inet_pton(AF_INET6, server.c_str(), &in6.sin6_addr) == 1) {
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(53);
    size = sizeof(sockaddr_in6);
  } else {
    return Fail(Code::kInvalidArgument, "{} is not an address", server);
  }
  Fd fd(socket(raw.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&raw), size) != 0) {
    return Unexpected(ErrnoError("connect", errno));
  }
  return fd;
}

}  // namespace

struct NameServer::Impl {
  Resolver resolve;
  Fd wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex;  // guards served and stopping
  std::list<std::shared_ptr<Served>> served;
  bool stopping = false;
  // Of the thread alone.
  std::list<Forwarded> forwarded;
  std::mt19937_64 random{std::random_device()()};
  size_t turn = 0;
  std::thread thread;

  void Run() {
    for (;;) {
      std::vector<std::shared_ptr<Served>> now;
      {
        std::lock_guard lock(mutex);
        if (stopping) return;
        now.assign(served.begin(), served.end());
      }
      std::erase_if(forwarded, [](const Forwarded& each) {
        return each.deadline.Expired() || each.from.expired();
      });
      std::vector<pollfd> waits = {{wake.get(), POLLIN, 0}};
      for (const auto& each : now) waits.push_back({each->socket.get(), POLLIN, 0});
      std::vector<std::list<Forwarded>::iterator> asked;
      for (auto it = forwarded.begin(); it != forwarded.end(); ++it) {
        asked.push_back(it);
        waits.push_back({it->upstream.get(), POLLIN, 0});
      }
      if (poll(waits.data(), waits.size(), forwarded.empty() ? -1 : 1000) < 0) continue;
      eventfd_t ignored;
      if (waits[0].revents) eventfd_read(wake.get(), &ignored);
      for (size_t i = 0; i < asked.size(); ++i) {
        if (waits[1 + now.size() + i].revents) Return(asked[i]);
      }
      for (size_t i = 0; i < now.size(); ++i) {
        if (waits[1 + i].revents) Receive(now[i]);
      }
    }
  }

  void Receive(const std::shared_ptr<Served>& from) {
    char buffer[dns::kMaxMessage];
    sockaddr_in client{};
    socklen_t size = sizeof(client);
    ssize_t count = recvfrom(from->socket.get(), buffer, sizeof(buffer), MSG_DONTWAIT,
                             reinterpret_cast<sockaddr*>(&client), &size);
    if (count <= 0) return;
    std::string query(buffer, static_cast<size_t>(count));
    auto question = dns::ParseQuery(query);
    if (!question) return;
    auto answer = [&](int code, const std::vector<std::string>& addresses = {}) {
      std::string message = dns::MakeAnswer(query, *question, code, addresses);
      sendto(from->socket.get(), message.data(), message.size(), MSG_DONTWAIT,
             reinterpret_cast<sockaddr*>(&client), size);
    };
    auto found = resolve(question->name, from->ns);
    if (found) {
      bool asks_ipv4 = question->type == dns::kTypeA && question->class_ == dns::kClassIn;
      return answer(dns::kNoError, asks_ipv4 ? *found : std::vector<std::string>{});
    }
    if (AsciiLower(question->name).ends_with("." + std::string(kClusterDomain))) {
      return answer(dns::kNameError);
    }
    auto servers = ReadHostResolvConf().servers;
    const auto own = std::count_if(forwarded.begin(), forwarded.end(),
                                   [&](const auto& each) { return each.from.lock() == from; });
    if (servers.empty() || forwarded.size() >= kMaxForwarded ||
        static_cast<size_t>(own) >= kMaxForwardedEach) {
      return answer(dns::kServerFailure);
    }
    // A client that asks again gets the next server.
    auto upstream = Dial(servers[turn++ % servers.size()]);
    if (!upstream) return answer(dns::kServerFailure);
    Forwarded entry{.from = from,
                    .client = client,
                    .id = question->id,
                    .question = query.substr(12, question->end - 12),
                    .upstream = std::move(*upstream)};
    dns::WriteId(query, static_cast<uint16_t>(random()));
    if (send(entry.upstream.get(), query.data(), query.size(), MSG_DONTWAIT) < 0) {
      return answer(dns::kServerFailure);
    }
    entry.question.insert(0, query.substr(0, 2));  // with the id it must come back with
    forwarded.push_back(std::move(entry));
  }

  void Return(std::list<Forwarded>::iterator entry) {
    char buffer[dns::kMaxMessage];
    ssize_t count = recv(entry->upstream.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    auto from = entry->from.lock();
    if (count >= 12 && from) {
      std::string message(buffer, static_cast<size_t>(count));
      std::string_view asked = entry->question;
      if (!message.starts_with(asked.substr(0, 2)) ||
          !std::string_view(message).substr(12).starts_with(asked.substr(2))) {
        return;  // not the answer to what was asked: wait for a better one
      }
      dns::WriteId(message, entry->id);
      sendto(from->socket.get(), message.data(), message.size(), MSG_DONTWAIT,
             reinterpret_cast<sockaddr*>(&entry->client), sizeof(entry->client));
    }
    forwarded.erase(entry);
  }
};

NameServer::NameServer(Resolver resolve) : impl_(std::make_unique<Impl>()) {
  impl_->resolve = std::move(resolve);
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

NameServer::~NameServer() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  eventfd_write(impl_->wake.get(), 1);
  impl_->thread.join();
}

void NameServer::Serve(Fd socket, std::string ns, std::string owner) {
  std::lock_guard lock(impl_->mutex);
  impl_->served.push_back(
      std::make_shared<Served>(std::move(socket), std::move(ns), std::move(owner)));
  eventfd_write(impl_->wake.get(), 1);
}

void NameServer::Close(const std::string& owner) {
  std::lock_guard lock(impl_->mutex);
  impl_->served.remove_if([&](const auto& each) { return each->owner == owner; });
  eventfd_write(impl_->wake.get(), 1);
}

ResolverConfig ParseResolvConf(std::string_view text) {
  ResolverConfig config;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == text.npos ? "" : text.substr(end + 1);
    std::vector<std::string> words;
    while (!line.empty()) {
      size_t start = line.find_first_not_of(" \t\r");
      if (start == line.npos) break;
      line = line.substr(start);
      size_t stop = line.find_first_of(" \t\r");
      words.emplace_back(line.substr(0, stop));
      line = stop == line.npos ? "" : line.substr(stop);
    }
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") config.servers.push_back(words[1]);
    if (words[0] == "search") config.search.assign(words.begin() + 1, words.end());
  }
  return config;
}

ResolverConfig ReadHostResolvConf() {
  auto text = ReadFile("/etc/resolv.conf", 64 << 10);
  return text ? ParseResolvConf(*text) : ResolverConfig{};
}

std::string MakeResolvConf(const std::string& server, const std::string& ns,
                           const ResolverConfig& host) {
  std::string text = fmt::format("nameserver {}\nsearch {}.svc.{} svc.{} {}", server, ns,
                                 kClusterDomain, kClusterDomain, kClusterDomain);
  for (const std::string& domain : host.search) text += " " + domain;
  return text + "\noptions ndots:5\n";
}

}  // namespace kinglet::kubelet
