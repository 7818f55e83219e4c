// Datagrams: UDP over IPv4 and IPv6, and Unix sockets of datagrams.
//
//   auto echo = eddy::Datagram::bind(reactor, "127.0.0.1:7000",
//       {.on_datagram = [](eddy::Datagram& self, eddy::Slice bytes, const eddy::DatagramInfo& info)
//       {
//         self.send_to(std::move(bytes), info.source);   // no copy
//       }});
//
// What it is: `Datagram` is a handle, like Stream: small, to be copied and kept; the socket lives
// in its reactor until its on_close. Each callback brings one datagram, whole, in memory of its own
// (`ReactorOptions::message_buffers`); an empty one is a datagram like any other. Datagrams may be
// lost, doubled and reordered on their way (RFC 768); what this machine does to them is told:
//
//  - longer than there is room for: `DatagramInfo::truncated`, with the real length in `length`;
//  - a full send queue: `send_to` returns false, and on_drain says when to go on. There is one
//    queue, in order: on a Unix socket that is not connected, a receiver that is full holds up what
//    is queued for the others;
//  - a send that failed (EMSGSIZE, EPERM, ENETUNREACH, …) and what an ICMP message told
//    (ECONNREFUSED): on_error, and the socket lives. Without `error_details`, Linux tells ICMP
//    errors to connected sockets alone (udp(7)), and several of them as one;
//  - arrived while the socket's receive buffer was full: `DatagramStats::kernel_drops`.
//
// None of the callbacks runs inside a call of the user's; any of them may close this socket or
// another. What is sent in one turn leaves together (sendmmsg(2)), in order; neighbours to one UDP
// destination, of one length up to 1200 bytes, as segments of one message (UDP_SEGMENT, udp(7)),
// which costs half, as long as kernel and path take that; not with `error_details`, which are of
// one datagram each. They arrive as they were sent; a receiver
// on this machine that asks for segments (UDP_GRO) gets them as one.
//
// Threads: the reactor's alone. A stale handle (after on_close) makes every function do nothing,
// and stops a debug build of eddy (core/check.h); `is_open` may always be asked.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/inline_function.h>
#include <eddy/core/slice.h>
#include <eddy/net/address.h>
#include <stddef.h>
#include <stdint.h>

#include <chrono>
#include <string>
#include <string_view>

namespace eddy {

class Datagram;
class DatagramSlot;
class Reactor;

// What came with a datagram. All but the first three are there if the options ask for them.
struct DatagramInfo {
  Address source;     // none of a Unix socket without a name, and where `want_source` is off
  size_t length = 0;  // its own, which is more than the bytes' where it was truncated
  bool truncated = false;
  Address destination;         // the address of this machine it was sent to, without a port
  unsigned interface = 0;      // it arrived on: an index, as of if_indextoname(3)
  int ttl = -1;                // IPv6: the hop limit
  int traffic_class = -1;      // the TOS byte: DSCP, and ECN in the low two bits (RFC 3168)
  uint16_t segment_bytes = 0;  // several datagrams of this length, the last perhaps shorter; 0: one
  std::chrono::nanoseconds timestamp{0};  // when it arrived, since the epoch of CLOCK_REALTIME
};

// What on_error tells.
struct DatagramError {
  std::error_code code;
  bool is_of_send = false;  // the datagram did not leave, and is dropped
  Address destination;      // it was sent to; none where that is not known
  // With `error_details`, of what a router or a peer has answered (struct sock_extended_err,
  // ip(7)):
  Address offender;    // who told, without a port; none if this machine did
  uint8_t type = 0;    // of ICMP, or of ICMPv6
  uint8_t detail = 0;  // its code
  uint32_t mtu = 0;    // of EMSGSIZE: what would have fit on the path
};

// For one send; what is left as it is comes from the socket.
struct DatagramSend {
  Address source;          // an address of this machine's, its port is not looked at
  unsigned interface = 0;  // to leave by
  int ttl = -1;
  int traffic_class = -1;
  // Segmentation by the kernel or the card (UDP_SEGMENT, udp(7), Linux 4.18): the bytes leave as
  // datagrams of this length, at most 64 of them (128 from Linux 6.6 on), the last perhaps shorter.
  uint16_t segment_bytes = 0;
};

// Callbacks, wishes and limits. Move-only, since the callbacks are.
struct DatagramOptions {
  InlineFunction<void(Datagram&, Slice, const DatagramInfo&)> on_datagram{};
  InlineFunction<void(Datagram&, const DatagramError&)> on_error{};
  // There is room in the send queue again, after a send was refused: half of it is free.
  InlineFunction<void(Datagram&)> on_drain{};
  // The end: no code after `close` or `reset`.
  InlineFunction<void(Datagram&, std::error_code)> on_close{};

  // --- What is to be told of each datagram. Only the source is free.
  bool want_source = true;
  bool want_destination = false;    // and the interface (IP_PKTINFO, IPV6_RECVPKTINFO)
  bool want_ttl = false;            // IP_RECVTTL, IPV6_RECVHOPLIMIT
  bool want_traffic_class = false;  // IP_RECVTOS, IPV6_RECVTCLASS
  bool want_timestamp = false;      // SO_TIMESTAMPNS
  // Datagrams of one sender that arrive together come as one (UDP_GRO, Linux 5.0).
  bool want_segments = false;
  // Errors with who told them, also to a socket that is not connected (IP_RECVERR).
  bool error_details = false;

  // --- Limits
  uint32_t max_datagram_bytes = UINT32_MAX;  // more is cut off; see also message_buffers
  size_t send_queue_datagrams = 1024;
  size_t send_queue_bytes = 4 * 1024 * 1024;

  // --- The socket
  bool reuse_address = false;    // SO_REUSEADDR: several hear the same multicast group and port
  bool reuse_port = false;       // SO_REUSEPORT: several share the senders of one address
  bool v6_only = false;          // IPV6_V6ONLY
  bool broadcast = false;        // SO_BROADCAST: may send to 255.255.255.255 and its like
  int receive_buffer_bytes = 0;  // SO_RCVBUF and SO_SNDBUF; 0: the system's own
  int send_buffer_bytes = 0;
};

// Counted from the socket's beginning.
struct DatagramStats {
  uint64_t received = 0;
  uint64_t truncated = 0;  // of these
  uint64_t sent = 0;
  uint64_t refused = 0;        // by a full queue: send_to returned false
  uint64_t send_failures = 0;  // told by on_error
  uint64_t abandoned = 0;      // in the queue at `reset`
  uint64_t kernel_drops = 0;   // arrived, and found the socket's receive buffer full (SO_MEMINFO)
  size_t queued = 0;           // datagrams in the send queue now
  size_t queued_bytes = 0;
};

class Datagram {
 public:
  Datagram() = default;

  // --- Beginning
  // A socket with an address of its own: "127.0.0.1:7000", port 0 for any free one, "unix:/path",
  // "unix:@name". A path is bound as it is: nothing is unlinked.
  static Result<Datagram> bind(Reactor& reactor, std::string_view address, DatagramOptions options);
  static Result<Datagram> bind(Reactor& reactor, const Address& address, DatagramOptions options);
  // A socket that sends to this peer, and hears it alone; its own address is the system's choice. A
  // Unix socket gets a name as well (autobind, unix(7)), so that it can be answered.
  static Result<Datagram> connect(Reactor& reactor, std::string_view peer, DatagramOptions options);
  static Result<Datagram> connect(Reactor& reactor, const Address& peer, DatagramOptions options);
  // A descriptor that the user hands in, which the Datagram owns from then on: a socket of
  // datagrams, bound or connected or neither. At failure it is still the user's.
  static Result<Datagram> adopt(Reactor& reactor, int descriptor, DatagramOptions options);

  // Not closed, and not being closed.
  bool is_open() const;

  // --- Sending. True: it is queued, and what becomes of it is the kernel's matter or on_error's.
  // False, and it is dropped: the queue is full (on_drain will come), or the socket is closing.
  bool send_to(Slice bytes, const Address& destination);
  bool send_to(std::string_view bytes, const Address& destination);  // copies them
  bool send_to(Slice bytes, const Address& destination, const DatagramSend& how);
  // To the peer of a connected socket.
  bool send(Slice bytes);
  bool send(std::string_view bytes);
  bool send(Slice bytes, const DatagramSend& how);

  // --- The peer (connect(2)): may be changed and forgotten at any time. With its peer, a socket
  // forgets what the system chose for it: the port, of one that was bound to port 0.
  Result<void> connect(const Address& peer);
  Result<void> disconnect();

  // --- Receiving. After `pause` no on_datagram comes until `resume`; what had arrived is kept, by
  // eddy as far as it was under way, else by the kernel, as much as its receive buffer holds.
  void pause();
  void resume();
  bool is_paused() const;

  // --- Multicast (ip(7), ipv6(7)). `interface`: an index, as of if_nametoindex(3); 0 is the
  // system's choice. The socket is bound to the group's port, at any address or the group's own.
  Result<void> join(const Address& group, unsigned interface = 0);
  Result<void> leave(const Address& group, unsigned interface = 0);
  // From this source alone (RFC 4607).
  Result<void> join_source(const Address& group, const Address& source, unsigned interface = 0);
  Result<void> leave_source(const Address& group, const Address& source, unsigned interface = 0);
  // Of what is sent to groups: how far it goes (1, the network's own, unless told otherwise), by
  // which interface, and whether this machine's own members hear it (they do).
  Result<void> set_multicast_ttl(int ttl);
  Result<void> set_multicast_interface(unsigned interface);
  Result<void> set_multicast_loop(bool on);
  // Of all else that is sent.
  Result<void> set_ttl(int ttl);
  Result<void> set_traffic_class(int traffic_class);

  // --- Ending
  // Sends what is queued, then closes.
  void close();
  // Drops what is queued, then closes.
  void reset();

  // --- Looking
  Result<Address> local_address() const;
  Result<Address> peer_address() const;  // ENOTCONN where there is none
  DatagramStats stats() const;
  int descriptor() const;  // for getsockopt(2) and its like; stays the socket's
  Reactor& reactor() const;
  bool operator==(const Datagram&) const = default;

 private:
  friend class DatagramSlot;
  explicit Datagram(DatagramSlot& slot);
  static Result<Datagram> open(Reactor& reactor, const Address& address, DatagramOptions&& options,
                               bool connects);
  static Result<Datagram> begin(Reactor& reactor, int descriptor, int family, bool claims,
                                DatagramOptions&& options, const std::string& subject);
  DatagramSlot* find() const;
  DatagramSlot* slot_ = nullptr;
  uint32_t generation_ = 0;
};

}  // namespace eddy
