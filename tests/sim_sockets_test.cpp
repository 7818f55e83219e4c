// What the simulated kernel's sockets and pipes do that Linux's cannot be made to do at will: the
// network between hosts, and faults. kernel_contract_*_test.cpp have what both do.
#include <arpa/inet.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/world.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include <array>
#include <string>
#include <vector>

namespace eddy::test {
namespace {

using namespace std::chrono_literals;
using sim::Fault;
using sim::Host;
using sim::World;

constexpr uint32_t kAlways = sim::Tape::kCertain;

sockaddr_in inet(const char* ip, uint16_t port) {
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, ip, &name.sin_addr), 1);
  return name;
}

int bound_udp(const Host& host, uint16_t port) {
  const int fd = host.kernel().socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const sockaddr_in any = inet("0.0.0.0", port);
  EXPECT_EQ(host.kernel().bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  return fd;
}

int connect(const Host& host, int fd, const sockaddr_in& to) {
  return host.kernel().connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

ssize_t send(const Host& host, int fd, const std::string& bytes) {
  return host.kernel().send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

std::string receive(const Host& host, int fd) {
  std::array<char, 65536> room;
  const ssize_t count = host.kernel().read(fd, room.data(), room.size());
  return count < 0 ? strerrorname_np(static_cast<int>(-count))
                   : std::string(room.data(), static_cast<size_t>(count));
}

// A sender on one host, connected to a receiver on another.
class SimDatagram : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(connect(near_, sender_, inet("10.0.0.2", 9)), 0); }

  // What arrives in a second.
  std::vector<std::string> arrivals() {
    world_.run_for(1s);
    std::vector<std::string> all;
    for (std::string one; (one = receive(far_, receiver_)) != "EAGAIN";) all.push_back(one);
    return all;
  }
  uint64_t count(Fault fault) { return world_.faults().counts()[static_cast<size_t>(fault)]; }

  World world_{1};
  const Host near_ = world_.host("10.0.0.1");
  const Host far_ = world_.host("10.0.0.2");
  const int sender_ = bound_udp(near_, 8);
  const int receiver_ = bound_udp(far_, 9);
};

TEST_F(SimDatagram, TakesAsLongAsTheLink) {
  world_.link(near_, far_, {.latency = 5ms});
  EXPECT_EQ(send(near_, sender_, "x"), 1);
  world_.run_for(4ms);
  EXPECT_EQ(receive(far_, receiver_), "EAGAIN");
  world_.run_for(1ms);
  EXPECT_EQ(receive(far_, receiver_), "x");
}

TEST_F(SimDatagram, IsLostAsOftenAsTheLinkSays) {
  world_.link(near_, far_, {.loss = 0.25});
  for (int i = 0; i < 100; ++i) send(near_, sender_, "x");
  const size_t arrived = arrivals().size();
  EXPECT_GT(arrived, 60U);
  EXPECT_LT(arrived, 90U);
  EXPECT_EQ(count(Fault::kDatagramLost), 100 - arrived);
}

TEST_F(SimDatagram, IsLostOnAShutLink) {
  world_.partition(near_, far_);
  EXPECT_EQ(send(near_, sender_, "x"), 1);
  world_.run_for(1s);
  world_.heal();
  EXPECT_TRUE(arrivals().empty());
  EXPECT_EQ(count(Fault::kDatagramLost), 1U);
  EXPECT_EQ(send(near_, sender_, "y"), 1);
  EXPECT_EQ(arrivals(), std::vector<std::string>{"y"});
}

TEST_F(SimDatagram, IsLostByAFault) {
  world_.faults().set(Fault::kDatagramLost, kAlways);
  EXPECT_EQ(send(near_, sender_, "x"), 1);
  EXPECT_TRUE(arrivals().empty());
}

TEST_F(SimDatagram, ComesTwiceByAFault) {
  world_.faults().set(Fault::kDatagramDuplicated, kAlways);
  EXPECT_EQ(send(near_, sender_, "x"), 1);
  EXPECT_EQ(arrivals(), (std::vector<std::string>{"x", "x"}));
}

TEST_F(SimDatagram, IsOvertakenByAFault) {
  world_.faults().set(Fault::kDatagramReordered, kAlways);
  EXPECT_EQ(send(near_, sender_, "early"), 5);
  world_.faults().clear();
  EXPECT_EQ(send(near_, sender_, "late"), 4);
  EXPECT_EQ(arrivals(), (std::vector<std::string>{"late", "early"}));
}

TEST_F(SimDatagram, NobodyThereIsToldAfterARoundTrip) {
  world_.link(near_, far_, {.latency = 5ms});
  world_.link(far_, near_, {.latency = 7ms});
  EXPECT_EQ(far_.kernel().close(receiver_), 0);
  EXPECT_EQ(send(near_, sender_, "x"), 1);
  world_.run_for(11ms);
  EXPECT_EQ(receive(near_, sender_), "EAGAIN");
  world_.run_for(1ms);
  EXPECT_EQ(receive(near_, sender_), "ECONNREFUSED");
}

TEST_F(SimDatagram, AnAddressWithoutAHostIsUnreachable) {
  EXPECT_EQ(connect(near_, sender_, inet("10.0.0.99", 9)), 0);
  EXPECT_EQ(send(near_, sender_, "x"), -EHOSTUNREACH);
}

TEST_F(SimDatagram, ABroadcastReachesEveryHost) {
  const Host third = world_.host("10.0.0.3");
  const int other = bound_udp(third, 9);
  const int own = bound_udp(near_, 9);
  const int elsewhere = bound_udp(third, 10);
  const int on = 1;
  EXPECT_EQ(near_.kernel().setsockopt(sender_, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), 0);
  EXPECT_EQ(connect(near_, sender_, inet("255.255.255.255", 9)), 0);
  EXPECT_EQ(send(near_, sender_, "all"), 3);
  world_.run_for(1s);
  EXPECT_EQ(receive(far_, receiver_), "all");
  EXPECT_EQ(receive(third, other), "all");
  EXPECT_EQ(receive(near_, own), "all");
  EXPECT_EQ(receive(third, elsewhere), "EAGAIN");
}

TEST_F(SimDatagram, ASlowLinkFillsTheSendBuffer) {
  world_.link(near_, far_, {.bytes_per_second = 1'000'000});
  const std::string large(10'000, 'l');
  size_t sent = 0;
  while (send(near_, sender_, large) > 0) ++sent;
  EXPECT_GT(sent, 10U);
  EXPECT_LT(sent, 30U);
  const int epoll_fd = near_.kernel().epoll_create();
  epoll_event event = {.events = EPOLLOUT, .data = {}};
  EXPECT_EQ(near_.kernel().epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sender_, &event), 0);
  EXPECT_EQ(near_.kernel().epoll_wait(epoll_fd, &event, 1, 0), 0);
  EXPECT_EQ(near_.kernel().epoll_wait(epoll_fd, &event, 1, 1'000'000'000), 1);
  EXPECT_EQ(event.events, uint32_t{EPOLLOUT});
}

TEST_F(SimDatagram, AKilledHostAnswersThatNobodyIsThere) {
  far_.kill();
  EXPECT_EQ(send(near_, sender_, "x"), 1);
  world_.run_for(1s);
  EXPECT_EQ(receive(near_, sender_), "ECONNREFUSED");
}

// --- Within a host

class SimLocal : public testing::Test {
 protected:
  struct Ends {
    int a;
    int b;
  };
  Ends pair(int type) {
    int descriptors[2] = {-1, -1};
    EXPECT_EQ(kernel_.socketpair(AF_UNIX, type, 0, descriptors), 0);
    return {descriptors[0], descriptors[1]};
  }
  Ends pipe(int flags) {
    int descriptors[2] = {-1, -1};
    EXPECT_EQ(host_.pipe(descriptors, flags), 0);
    return {descriptors[0], descriptors[1]};
  }
  // One epoll wait of up to a second, edge-triggered for room, after the first event is taken.
  int armed_for_room(int fd) {
    const int epoll_fd = kernel_.epoll_create();
    epoll_event event = {.events = EPOLLOUT | EPOLLET, .data = {}};
    EXPECT_EQ(kernel_.epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
    EXPECT_EQ(kernel_.epoll_wait(epoll_fd, &event, 1, 0), 1);
    return epoll_fd;
  }
  bool room_comes(int epoll_fd) {
    epoll_event event;
    return kernel_.epoll_wait(epoll_fd, &event, 1, 1'000'000'000) == 1;
  }
  ssize_t write(int fd, const std::string& bytes) {
    const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: as iovec has it
    return kernel_.writev(fd, &piece, 1);
  }
  int bind_and_listen(const Host& on, const char* path) {
    const int fd = on.kernel().socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un name = named(path);
    EXPECT_EQ(on.kernel().bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(on.kernel().listen(fd, 0), 0);
    return fd;
  }
  int connect_to(const Host& on, int fd, const char* path) {
    const sockaddr_un name = named(path);
    return on.kernel().connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  }
  static sockaddr_un named(const char* path) {
    sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = {}};
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    return name;
  }
  void later(std::chrono::nanoseconds delay, InlineFunction<void()> action) {
    world_.simulation().after(delay.count(), std::move(action));
  }

  World world_{1};
  const Host host_ = world_.host("10.0.0.1");
  Kernel& kernel_ = host_.kernel();
};

TEST_F(SimLocal, AShortSendIsFollowedByRoom) {
  const Ends ends = pair(SOCK_STREAM | SOCK_NONBLOCK);
  const int epoll_fd = armed_for_room(ends.a);
  world_.faults().set(Fault::kShortSend, kAlways);
  const ssize_t sent = send(host_, ends.a, std::string(1000, 's'));
  EXPECT_GT(sent, 0);
  EXPECT_LT(sent, 1000);
  EXPECT_TRUE(room_comes(epoll_fd));
}

TEST_F(SimLocal, AShortWriteToAPipeIsFollowedByRoomAndWhatIsAtomicIsWhole) {
  const Ends ends = pipe(O_NONBLOCK);
  const int epoll_fd = armed_for_room(ends.b);
  world_.faults().set(Fault::kShortSend, kAlways);
  EXPECT_EQ(write(ends.b, std::string(4096, 'w')), 4096);
  const ssize_t sent = write(ends.b, std::string(40'000, 'w'));
  EXPECT_GT(sent, 0);
  EXPECT_LT(sent, 40'000);
  EXPECT_TRUE(room_comes(epoll_fd));
}

TEST_F(SimLocal, ABlockingWriteReturnsWhenAllHasGone) {
  const Ends ends = pipe(0);
  size_t received = 0;
  for (int i = 1; i <= 4; ++i) {
    later(i * 1ms, [&] { received += receive(host_, ends.a).size(); });
  }
  const auto begin = world_.now();
  EXPECT_EQ(write(ends.b, std::string(200'000, 'b')), 200'000);
  EXPECT_GE(world_.now() - begin, 3ms);
  world_.run_for(1s);
  EXPECT_EQ(received, 200'000U);
}

TEST_F(SimLocal, ABlockingReadWaitsForBytes) {
  const Ends ends = pair(SOCK_STREAM);
  later(1ms, [&] { send(host_, ends.a, "at last"); });
  EXPECT_EQ(receive(host_, ends.b), "at last");
}

TEST_F(SimLocal, ABlockingConnectWaitsForTheBacklog) {
  const int listening = bind_and_listen(host_, "/run/full");
  EXPECT_EQ(connect_to(host_, kernel_.socket(AF_UNIX, SOCK_STREAM, 0), "/run/full"), 0);
  later(1ms, [&] { EXPECT_GE(kernel_.accept4(listening, nullptr, nullptr, 0), 0); });
  const auto begin = world_.now();
  EXPECT_EQ(connect_to(host_, kernel_.socket(AF_UNIX, SOCK_STREAM, 0), "/run/full"), 0);
  EXPECT_GE(world_.now() - begin, 1ms);
}

TEST_F(SimLocal, NamesAreTheHosts) {
  const Host other = world_.host("10.0.0.2");
  bind_and_listen(host_, "/run/name");
  const int fd = other.kernel().socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(connect_to(other, fd, "/run/name"), -ENOENT);
  bind_and_listen(other, "/run/name");
  EXPECT_EQ(connect_to(other, fd, "/run/name"), 0);
}

TEST_F(SimLocal, DescriptorsThatFindNoNumberAreClosed) {
  const Ends carrier = pair(SOCK_STREAM | SOCK_NONBLOCK);
  const Ends cargo = pair(SOCK_STREAM | SOCK_NONBLOCK);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 'x';
  iovec piece = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &cargo.a, sizeof(int));
  EXPECT_EQ(kernel_.sendmsg(carrier.a, &message, 0), 1);
  host_.set_descriptor_limit(0);
  kernel_.close(cargo.a);
  EXPECT_EQ(kernel_.recvmsg(carrier.b, &message, 0), 1);
  EXPECT_EQ(message.msg_flags, MSG_CTRUNC);
  EXPECT_EQ(message.msg_controllen, 0U);
  EXPECT_EQ(receive(host_, cargo.b), "");  // the end
}

}  // namespace
}  // namespace eddy::test
