#include "net/peer_user.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

namespace kinglet::net {
namespace {

constexpr uid_t kNobody = 65534;

sockaddr_in Loopback(in_port_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = port;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  return address;
}

class PeerUserTest : public testing::Test {
 protected:
  void SetUp() override {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(listen(listener_.get(), 8), 0);
    ASSERT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = address.sin_port;
  }

  Fd Connect() const {
    Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(port_);
    if (connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      return {};
    return client;
  }

  Fd listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  in_port_t port_ = 0;
};

TEST_F(PeerUserTest, TheUserItselfIsNobodyElse) {
  Fd client = Connect();
  Fd served(accept(listener_.get(), nullptr, nullptr));
  ASSERT_TRUE(client && served);
  EXPECT_FALSE(PeerIsAnotherUser(served.get()));
}

TEST_F(PeerUserTest, AnotherUserIsKnown) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Fd reader(ends[0]), writer(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    writer.Reset();
    char end;
    Fd client;
    if (setresuid(kNobody, kNobody, kNobody) == 0) client = Connect();
    // Holds the connection until the test is done with it.
    _exit(client && read(reader.get(), &end, 1) == 0 ? 0 : 1);
  }
  Fd served(accept(listener_.get(), nullptr, nullptr));
  EXPECT_TRUE(PeerIsAnotherUser(served.get()));
  writer.Reset();
  int status = 1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(PeerUserTest, WhatIsNoConnectionIsNobodys) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Fd a(pair[0]), b(pair[1]);
  EXPECT_FALSE(PeerIsAnotherUser(a.get()));
  EXPECT_FALSE(PeerIsAnotherUser(listener_.get()));
}

}  // namespace
}  // namespace kinglet::net
