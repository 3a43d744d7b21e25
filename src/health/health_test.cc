#include <gtest/gtest.h>

#include <string>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "health/probes.h"
#include "health/protobuf.h"
#include "health/ray.h"
#include "net/grpc/unary.h"

namespace kinglet::health {
namespace {

using namespace std::string_literals;

// The bytes of a GetAllNodeInfoReply with nodes in these states.
std::string Reply(const std::vector<int>& states) {
  std::string reply = "\x0a\x02\x08\x00"s;  // status {code: OK}
  for (int state : states) {
    std::string node = "\x0a\x02id"s;                       // node_id
    if (state) node += "\x38"s + static_cast<char>(state);  // what is 0 is left out
    node += "\xc9\x01"s + std::string(8, '\x01');           // a later field, fixed64
    reply += "\x12"s + static_cast<char>(node.size()) + node;
  }
  return reply;
}

TEST(Ray, CountsNodesThatAreAlive) {
  const struct {
    std::vector<int> states;
    int alive;
  } kCases[] = {{{}, 0}, {{0}, 1}, {{0, 1, 0}, 2}, {{1, 1}, 0}};
  for (const auto& c : kCases) {
    auto alive = CountAliveNodesOf(Reply(c.states));
    ASSERT_TRUE(alive);
    EXPECT_EQ(*alive, c.alive);
  }
}

TEST(Ray, ForeignBytes) {
  for (const std::string& bytes : {"\x12\x05id"s, "\x12"s, "\xff"s, "\x00\x01"s, "\x13\x14"s,
                                   std::string(11, '\xff'), "\x12\x02\x38\xff"s, "\x11\x01"s}) {
    EXPECT_FALSE(CountAliveNodesOf(bytes));
  }
  // Every cut of a reply is read or refused, never more than it is.
  const std::string reply = Reply({0, 1, 0});
  for (size_t i = 0; i < reply.size(); ++i) (void)CountAliveNodesOf(reply.substr(0, i));
}

// A port on which each connection is given to `serve`.
class TestServer {
 public:
  explicit TestServer(std::function<void(int fd)> serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    socklen_t size = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    target_ = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
    thread_ = std::thread([this] {
      for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        serve_(fd);
        ::close(fd);
      }
    });
  }
  ~TestServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  const std::string& target() const { return target_; }

 private:
  std::function<void(int)> serve_;
  int listener_ = -1;
  std::string target_;
  std::thread thread_;
};

bool ReadExactly(int fd, size_t size, std::string& out) {
  out.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::read(fd, out.data() + done, size - done);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

void Write(int fd, const std::string& bytes) {
  EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

std::string Http2Frame(char type, char flags, char stream, const std::string& payload) {
  const size_t n = payload.size();
  return std::string{static_cast<char>(n >> 16),
                     static_cast<char>(n >> 8),
                     static_cast<char>(n),
                     type,
                     flags,
                     0,
                     0,
                     0,
                     stream} +
         payload;
}

// A header without an index and without Huffman codes.
std::string Header(const std::string& name, const std::string& value) {
  return "\x10"s + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

// Speaks as much HTTP/2 as one unary call needs.
std::function<void(int)> AnswerGrpc(std::string message, std::string status) {
  return [message, status](int fd) {
    constexpr char kData = 0, kHeaders = 1, kSettings = 4;
    constexpr char kEndStream = 1, kAck = 1, kEndHeaders = 4;
    std::string bytes;
    if (!ReadExactly(fd, 24, bytes)) return;  // the preface
    Write(fd, Http2Frame(kSettings, 0, 0, ""));
    for (bool asked = false; !asked;) {
      if (!ReadExactly(fd, 9, bytes)) return;
      const size_t size = static_cast<uint8_t>(bytes[1]) * 256u + static_cast<uint8_t>(bytes[2]);
      const char type = bytes[3], flags = bytes[4];
      std::string payload;
      if (!ReadExactly(fd, size, payload)) return;
      if (type == kSettings && !(flags & kAck)) Write(fd, Http2Frame(kSettings, kAck, 0, ""));
      asked = type == kData && (flags & kEndStream);
    }
    Write(fd, Http2Frame(kHeaders, kEndHeaders, 1,
                         "\x88"s + Header("content-type", "application/grpc")));
    if (status == "0") {
      const std::string frame = "\0\0\0\0"s + static_cast<char>(message.size()) + message;
      Write(fd, Http2Frame(kData, 0, 1, frame));
    }
    Write(fd, Http2Frame(kHeaders, kEndHeaders | kEndStream, 1,
                         Header("grpc-status", status) + Header("grpc-message", "why")));
    while (::read(fd, bytes.data(), bytes.size()) > 0) {
    }
  };
}

std::function<void(int)> AnswerHttp(int status, std::string body) {
  return [status, body](int fd) {
    std::string bytes;
    while (bytes.find("\r\n\r\n") == std::string::npos) {
      char buffer[1024];
      const ssize_t n = ::read(fd, buffer, sizeof(buffer));
      if (n <= 0) return;
      bytes.append(buffer, static_cast<size_t>(n));
    }
    Write(fd, fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                          status, body.size(), body));
  };
}

Deadline Soon() { return Deadline::After(std::chrono::seconds(20)); }

TEST(Ray, AsksTheGcs) {
  TestServer gcs(AnswerGrpc(Reply({0, 1, 0}), "0"));
  auto alive = CountAliveNodes(gcs.target(), Soon());
  ASSERT_TRUE(alive) << alive.error().message();
  EXPECT_EQ(*alive, 2);
}

TEST(Ray, StatusOfTheServerIsTheError) {
  TestServer gcs(AnswerGrpc("", "16"));
  auto alive = CountAliveNodes(gcs.target(), Soon());
  ASSERT_FALSE(alive);
  EXPECT_EQ(alive.error().code(), Code::kUnauthenticated);
  EXPECT_NE(alive.error().message().find("why"), std::string::npos);
}

TEST(Ray, NobodyOrSomebodyElse) {
  TestServer web(AnswerHttp(200, "hello"));
  EXPECT_FALSE(CountAliveNodes(web.target(), Soon()));
  std::string closed;
  {
    TestServer gone([](int) {});
    closed = gone.target();
  }
  auto alive = CountAliveNodes(closed, Soon());
  ASSERT_FALSE(alive);
  EXPECT_EQ(alive.error().code(), Code::kUnavailable);
}

TEST(Probes, NodesServerModels) {
  TestServer gcs(AnswerGrpc(Reply({0, 0}), "0"));
  TestServer server(AnswerHttp(200, R"({"models": ["llama"]})"));
  TestServer broken(AnswerHttp(503, ""));
  ProbeOptions options{.ray_address = gcs.target(), .nodes = 2, .model = "llama"};
  options.url = fmt::format("http://{}/v1/models", server.target());
  EXPECT_TRUE(CheckNodes(options));
  EXPECT_TRUE(CheckServer(options));
  EXPECT_TRUE(CheckModels(options));
  options.model = "other";
  EXPECT_FALSE(CheckModels(options));
  options.nodes = 3;
  options.retries = 1;
  options.interval = Duration::zero();
  auto few = CheckNodes(options);
  ASSERT_FALSE(few);
  EXPECT_EQ(few.error().message(), "2 of 3 nodes are registered");
  options.url = fmt::format("http://{}/", broken.target());
  EXPECT_FALSE(CheckServer(options));
}

}  // namespace
}  // namespace kinglet::health
