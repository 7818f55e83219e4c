// The fixture of suites about datagrams: a socket of eddy's, what it told, and peers made of plain
// system calls.
#pragma once

#include <eddy/net/datagram.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "pattern.h"
#include "reactor_test.h"

namespace eddy::test {

inline Address at(std::string_view text) { return Address::parse(text).value_or(Address()); }

// Everything returns at once.
class DatagramPeer {
 public:
  DatagramPeer() = default;
  explicit DatagramPeer(const Address& address) {
    Kernel& kernel = plain_kernel();
    socket_.reset(kernel.socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(kernel.bind(fd(), address.data(), address.size()), 0);
  }

  int fd() const { return socket_.get(); }
  Address address() const {
    sockaddr_storage name = {};
    socklen_t length = sizeof name;
    plain_kernel().getsockname(fd(), reinterpret_cast<sockaddr*>(&name), &length);
    return Address::from(reinterpret_cast<sockaddr*>(&name), length).value_or(Address());
  }
  ssize_t send_to(const Address& address, std::string_view bytes) const {
    iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: iovec's type
    msghdr message = {};
    message.msg_name = const_cast<sockaddr*>(address.data());  // NOLINT: msghdr's type
    message.msg_namelen = address.size();
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    return plain_kernel().sendmsg(fd(), &message, MSG_NOSIGNAL);
  }
  // Takes what has arrived to the end of `received` and `sources`.
  size_t receive() {
    std::vector<char> room(1 << 17);
    for (;;) {
      sockaddr_storage name = {};
      iovec piece = {room.data(), room.size()};
      msghdr message = {};
      message.msg_name = &name;
      message.msg_namelen = sizeof name;
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      const ssize_t count = plain_kernel().recvmsg(fd(), &message, 0);
      if (count == -EAGAIN || count == -ECONNREFUSED) return received.size();
      EXPECT_GE(count, 0);
      if (count < 0) return received.size();
      received.emplace_back(room.data(), static_cast<size_t>(count));
      sources.emplace_back();
      sources.back().assign(reinterpret_cast<sockaddr*>(&name), message.msg_namelen);
    }
  }
  void close() { socket_.reset(); }

  std::vector<std::string> received;
  std::vector<Address> sources;

 private:
  Descriptor socket_;
};

class DatagramTest : public ReactorTest {
 protected:
  struct Arrived {
    std::string bytes;
    DatagramInfo info;
  };

  // Callbacks that write down what they are told.
  DatagramOptions journal_options(DatagramOptions options = {}) {
    options.on_datagram = [this](Datagram&, Slice bytes, const DatagramInfo& info) {
      arrived.push_back({bytes.str(), info});
    };
    options.on_error = [this](Datagram&, const DatagramError& error) { errors.push_back(error); };
    options.on_drain = [this](Datagram&) { ++drains; };
    options.on_close = [this](Datagram&, std::error_code code) {
      ++closes;
      close_code = code;
    };
    return options;
  }
  static DatagramOptions echo_options() {
    return {.on_datagram = [](Datagram& self, Slice bytes, const DatagramInfo& info) {
      self.send_to(std::move(bytes), info.source);
    }};
  }
  Datagram bind(std::string_view address, DatagramOptions options) {
    auto bound = Datagram::bind(reactor(), address, std::move(options));
    EXPECT_TRUE(bound) << bound.error().message();
    return bound.value_or(Datagram());
  }
  // … with its own address.
  void open(DatagramOptions options, std::string_view address = "127.0.0.1:0") {
    socket = bind(address, std::move(options));
    here = socket.local_address().value_or(Address());
  }
  bool await_arrivals(size_t count) {
    return run_until([&] { return arrived.size() >= count; });
  }
  // A port that nobody has.
  static Address nobody() { return DatagramPeer(at("127.0.0.1:0")).address(); }
  // A name that no other test has.
  static std::string own_name(const char* suffix = "") {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->name()) + suffix + std::to_string(getpid());
    for (char& c : name) c = c == '/' ? '.' : c;
    return name.substr(name.size() > 90 ? name.size() - 90 : 0);
  }

  void TearDown() override {
    if (socket.is_open()) socket.reset();
    ReactorTest::TearDown();
  }

  std::vector<Arrived> arrived;
  std::vector<DatagramError> errors;
  int drains = 0;
  int closes = 0;
  std::error_code close_code;
  Datagram socket;
  Address here;
};

}  // namespace eddy::test
