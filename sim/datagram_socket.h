// UDP in a simulated world.
//
// What it is: what udp(7), ip(7), connect(2) and socket(7) say. A datagram is lost on a shut link,
// by the link's loss, by a fault, or because its receiver's buffer is full; it may come twice and
// out of order. An answer that nobody listens there (ICMP port unreachable) takes its way back over
// the network and is told to a connected socket, and with IP_RECVERR to any, with its details. A
// datagram of several segments (UDP_SEGMENT) travels as one, and is taken apart for who does not
// ask for it whole (UDP_GRO). Multicast reaches every host of the world whose sockets have joined.
// Fragments are not modelled: so there is neither a path MTU nor partial loss.
#pragma once

#include <eddy/sim/datagram_control.h>
#include <eddy/sim/file.h>
#include <eddy/sim/multicast.h>
#include <eddy/sim/network.h>
#include <eddy/sim/socket_options.h>

#include <deque>
#include <memory>
#include <string>

namespace eddy::sim {

inline constexpr size_t kDatagramHeaders = 28;  // IPv4's and UDP's

class DatagramSocket final : public Socket {
 public:
  DatagramSocket(Simulation& simulation, HostKernel& host, sa_family_t family);
  ~DatagramSocket() override;

  uint32_t readiness() override;
  int bind(const sockaddr* address, socklen_t length) override;
  int connect(const sockaddr* address, socklen_t length) override;
  int shutdown(int how) override;
  int local_name(sockaddr* address, socklen_t* length) override;
  int peer_name(sockaddr* address, socklen_t* length) override;
  int get_option(int level, int name, void* value, socklen_t* length) override;
  int set_option(int level, int name, const void* value, socklen_t length) override;
  ssize_t receive(msghdr& message, int flags) override;
  ssize_t send(const msghdr& message, int flags) override;
  void keep_error(int error) override { error_ = error; }

 private:
  // On its way.
  struct Packet {
    Datagram datagram;
    HostKernel* from;
    HostKernel* to;
    std::weak_ptr<DatagramSocket> sender;
  };
  using PacketRef = std::shared_ptr<const Packet>;

  // What a datagram takes of a buffer: besides its bytes, about as much as Linux's sk_buff.
  static size_t cost_of(const Datagram& datagram) { return datagram.bytes.size() + 768; }
  // 255.255.255.255, and the loopback network's own.
  static bool is_broadcast(const Name& name);
  bool is_bound() const { return local_.port != 0; }
  size_t send_capacity() const;
  int parse(const sockaddr* address, socklen_t length, Name& name) const;
  bool conflicts_with(const Name& name, const DatagramSocket& other) const;
  int claim(Name name);
  int claim_any_port();
  void release();
  void disconnect();
  Name source_for(const Name& destination) const;
  int destination_of(const msghdr& message, Name& name) const;

  int check(const Datagram& datagram, HostKernel*& to) const;
  void send_to(HostKernel& to, Datagram datagram);
  void send_to_many(const Datagram& datagram);
  static void put_on_link(Simulation& simulation, const PacketRef& packet);
  static void arrive(Simulation& simulation, const PacketRef& packet);
  static void answer_unreachable(Simulation& simulation, const PacketRef& packet);
  void occupy_until(int64_t when_ns, size_t cost);
  // How well it fits; 0 if it does not.
  int match(const HostKernel& host, const Name& destination, const Name& source) const;
  void deliver(Datagram datagram);
  void enqueue(Datagram&& datagram);
  void told_unreachable(const Packet& packet);
  ssize_t receive_error(msghdr& message, size_t control_room);

  Simulation& simulation_;
  HostKernel& host_;
  const sa_family_t family_;
  SocketOptions options_;
  Name local_;
  bool chose_address_ = false;  // bind did, so that a disconnect keeps it
  bool chose_port_ = false;
  Name peer_;
  bool connected_ = false;
  bool shut_for_receiving_ = false;
  bool shut_for_sending_ = false;
  int error_ = 0;  // SO_ERROR
  std::deque<KeptError> kept_errors_;
  MulticastGroups groups_;
  uint32_t drops_ = 0;  // found no room in the receive buffer (SO_MEMINFO)
  std::deque<Datagram> received_;
  size_t received_cost_ = 0;
  size_t unsent_cost_ = 0;  // the link has not sent it yet
};

FileRef make_datagram_socket(Simulation& simulation, HostKernel& host, int family);

}  // namespace eddy::sim
