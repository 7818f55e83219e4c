// The network of a simulated world: hosts by their addresses, and the links between them.
//
// What it is: where packets go and how long they take. A link is one direction between two hosts;
// each pair has two. Bytes of one connection stay in order, as TCP keeps them; a link that is
// clogged or cut holds them back, as lost packets that are sent again would be.
#pragma once

#include <eddy/sim/simulation.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace eddy::sim {

class DatagramSocket;
class TcpSocket;
class TcpConnection;

// An address and a port, of IPv4 or IPv6.
struct Name {
  sa_family_t family = AF_UNSPEC;
  std::array<uint8_t, 16> ip = {};  // IPv4: the first four
  uint16_t port = 0;

  auto operator<=>(const Name&) const = default;
  void unmap();              // IPv4 within IPv6 becomes IPv4
  bool is_any() const;       // 0.0.0.0 or ::
  bool is_loopback() const;  // 127.0.0.0/8 or ::1
  bool is_for_many() const;  // multicast, or 255.255.255.255
  // From and to socket addresses. `length` as in getsockname(2): the room, then what is needed.
  // IPv4 within IPv6 (::ffff:a.b.c.d) becomes IPv4. 0, or -EINVAL or -EAFNOSUPPORT.
  static int parse(const sockaddr* address, socklen_t length, Name& name);
  // … and comes out as IPv4 within IPv6 where the socket's family is that.
  void store(sa_family_t socket_family, sockaddr* address, socklen_t* length) const;
  // "10.0.0.1" or "fd00::1", without a port.
  static bool parse_ip(std::string_view text, Name& name);
  std::string to_string() const;
};

// What a shut link keeps until it opens.
struct Held {
  size_t bytes;
  int64_t* not_before_ns;  // null: in no order
  InlineFunction<void()> then;
};

struct LinkState {
  int64_t latency_ns = 0;
  int64_t jitter_ns = 0;
  uint64_t bytes_per_second = 0;  // 0: no limit
  uint32_t loss = 0;              // of datagrams, in 65,536
  bool cut = false;               // by `partition`, until `heal`
  int64_t clogged_until_ns = 0;
  int64_t busy_until_ns = 0;  // the last byte is sent then
  std::deque<Held> held;
};

class Network {
 public:
  explicit Network(Simulation& simulation) : simulation_(simulation) {}

  // False when a host has this address already.
  bool add(HostKernel& host, const Name& address);
  // Who answers for this address when `from` asks; null if nobody does.
  HostKernel* find(const HostKernel& from, const Name& name) const;

  LinkState& link(const HostKernel& from, const HostKernel& to);
  int64_t default_latency_ns = 100'000;
  // `then` happens when `bytes` that leave now have all arrived, and not before `*not_before_ns`,
  // which becomes that moment: what is carried with the same one stays in order. It must stay where
  // it is for as long as `then` lives. Null: in no order.
  void carry(const HostKernel& from, const HostKernel& to, size_t bytes, int64_t* not_before_ns,
             InlineFunction<void()> then);
  bool is_shut(const LinkState& link) const;
  void cut(const HostKernel& a, const HostKernel& b, bool cut);
  void clog(const HostKernel& from, const HostKernel& to, int64_t until_ns);
  void heal();

  // --- UDP's ports: the sockets that have one, in the order in which they took it
  std::vector<DatagramSocket*> datagram_sockets;

  // --- TCP's ports
  TcpSocket* listener(const HostKernel& host, const Name& name) const;
  // 0, or -EADDRINUSE. Port 0 in `name` is replaced by a free one.
  int claim(const HostKernel& host, Name& name, TcpSocket& socket, bool reuse_address,
            bool reuse_port);
  void set_listening(TcpSocket& socket, bool listening);
  void release(TcpSocket& socket);
  // Of the connections that live, in the order of their making.
  void enlist(const std::shared_ptr<TcpConnection>& connection);
  void forget(const TcpConnection& connection);
  uint64_t next_connection() { return next_connection_++; }
  const std::map<uint64_t, std::shared_ptr<TcpConnection>>& connections() const {
    return connections_;
  }

 private:
  struct Claim {
    const HostKernel* host;
    Name name;
    TcpSocket* socket;
    bool reuse_address;
    bool reuse_port;
    bool listening;
  };
  int64_t trouble_ends();
  void open(const HostKernel& from, const HostKernel& to, LinkState& link);
  bool is_taken(const HostKernel& host, const Name& name, bool reuse_address,
                bool reuse_port) const;

  Simulation& simulation_;
  std::map<Name, HostKernel*> hosts_;  // by their addresses, port 0
  std::vector<HostKernel*> by_number_;
  std::map<std::pair<int, int>, LinkState> links_;  // by the hosts' numbers
  std::vector<Claim> claims_;
  std::map<uint64_t, std::shared_ptr<TcpConnection>> connections_;
  uint64_t next_connection_ = 0;
};

}  // namespace eddy::sim
