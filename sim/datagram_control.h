// Control messages of a simulated UDP socket: what a send asks for, and what a receive is told
// (cmsg(3), ip(7), ipv6(7), udp(7), socket(7)).
#pragma once

#include <eddy/sim/network.h>
#include <eddy/sim/socket_options.h>
#include <stdint.h>
#include <sys/socket.h>

#include <string>

namespace eddy::sim {

// A datagram with what its receiver may want to know.
struct Datagram {
  Name source;
  std::string bytes;
  Name destination;
  int ttl = 64;
  int traffic_class = 0;
  uint16_t segment_bytes = 0;  // it is several of this length, the last perhaps shorter; 0: one
  bool is_local = true;        // it has not left its host
  int64_t arrived_ns = 0;      // by the wall clock
};

// An error with its details (IP_RECVERR).
struct KeptError {
  int error;
  Name offender;
  Datagram datagram;  // that it is about
};

// What the control messages of a send, or else the socket's options, ask for: 0, or -EINVAL. The
// source's address is changed if one is asked for.
int read_control(const msghdr& message, const SocketOptions& options, Datagram& datagram);
// Writes those that the options ask for, as far as there is room: MSG_CTRUNC.
void write_control(msghdr& message, size_t room, const SocketOptions& options,
                   sa_family_t socket_family, const Datagram& datagram);
void write_error(msghdr& message, size_t room, const KeptError& error);

}  // namespace eddy::sim
