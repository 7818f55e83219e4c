// The fixture of suites about descriptors that go over Unix sockets: connections over them, and
// pipes whose ends can be sent.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "fault_test.h"
#include "unix_names.h"

namespace eddy::test {

struct Pipe {
  Descriptor read_end, write_end;
};
inline Pipe make_pipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
  return {Descriptor(fds[0]), Descriptor(fds[1])};
}
// Nobody has the writing end any more.
inline bool has_ended(const Pipe& pipe) {
  char byte = 0;
  return plain_kernel().read(pipe.read_end.get(), &byte, 1) == 0;
}
inline std::string read_from(const Pipe& pipe) {
  char bytes[64];
  const ssize_t count = plain_kernel().read(pipe.read_end.get(), bytes, sizeof bytes);
  return {bytes, static_cast<size_t>(std::max<ssize_t>(count, 0))};
}

class UnixDescriptors : public FaultTest {
 protected:
  // A server, and a connection to it: `peer` is the other side, `stream` the server's.
  void serve(StreamOptions options, size_t most = 8) {
    options.max_descriptors = most;
    const Address address = names_.at_path("server" + std::to_string(++servers_));
    server.emplace(reactor(), std::move(options));
    const auto listening = server->listen(address);
    ASSERT_TRUE(listening) << listening.error().message();
    peer = Peer::connect_to(address);
    ASSERT_TRUE(peer.is_open());
    ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
    server->for_each([&](Stream& accepted) { stream = accepted; });
  }
  // Keeps what comes.
  StreamOptions keeping() {
    StreamOptions options = journal.options();
    options.on_descriptors = [this](Stream&, ReceivedDescriptors& descriptors) {
      journal.note("descriptors");
      truncated_ = truncated_ || descriptors.truncated();
      came_at_ = journal.data.size();
      for (size_t i = 0; i < descriptors.size(); ++i) taken_.emplace_back(descriptors.take(i));
    };
    return options;
  }
  // A second connection: `other_peer_` is the other side of `other_`.
  void connect_other() {
    int ends[2] = {-1, -1};
    ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    other_peer_ = Peer(ends[0]);
    const auto adopted = adopt(reactor(), ends[1], StreamOptions{.on_end = [](Stream&) {}});
    ASSERT_TRUE(adopted) << adopted.error().message();
    other_ = *adopted;
  }
  void TearDown() override {
    if (other_.is_open()) other_.reset();
    other_peer_.close();
    taken_.clear();
    FaultTest::TearDown();
  }

  Stream other_;
  Peer other_peer_;
  UnixNames names_;
  int servers_ = 0;
  std::vector<Descriptor> taken_;
  bool truncated_ = false;
  size_t came_at_ = 0;
};

}  // namespace eddy::test
