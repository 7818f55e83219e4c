// The options of a simulated socket: which there are, and what they are set to.
//
// What it is: a table of levels and names with their values, checked as socket(7), ip(7), ipv6(7),
// tcp(7), udp(7) and unix(7) say. What an option does is the socket's affair, and options whose
// value is not stored (SO_ERROR, SO_ACCEPTCONN, SO_PEERCRED, TCP_INFO) are answered by it before it
// asks here; `answer` helps it.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <array>

namespace eddy::sim {

// Which older headers lack.
inline constexpr int kUdpSegment = 103;  // UDP_SEGMENT
inline constexpr int kUdpGro = 104;      // UDP_GRO

class SocketOptions {
 public:
  // As for socket(2): the family and the type (without flags).
  SocketOptions(int domain, int type);

  // getsockopt(2) and setsockopt(2): 0, or -ENOPROTOOPT (unknown, or read-only), -EOPNOTSUPP (of
  // another level, for a Unix socket), -EINVAL (short, or out of range).
  int get(int level, int name, void* value, socklen_t* length) const;
  int set(int level, int name, const void* value, socklen_t length);

  // The value that a whole number or a flag has; SO_LINGER's is its seconds, or -1 if it is off;
  // `otherwise` if this socket has no such option. Buffers are what getsockopt shows: doubled.
  int number(int level, int name, int otherwise = 0) const;
  bool flag(int level, int name) const { return number(level, name) != 0; }
  void put(int level, int name, int value);  // unchecked; the option is there

  // What getsockopt(2) does with a value: as much of it as there is room for.
  static int answer(const void* from, size_t size, void* value, socklen_t* length);
  static int answer(int number, void* value, socklen_t* length) {
    return answer(&number, sizeof number, value, length);
  }

 private:
  static constexpr size_t kOptions = 52;

  bool has_level(int level) const;
  const struct SocketOption* find(int level, int name) const;

  const int domain_;
  const int type_;
  std::array<int, kOptions> values_;
};

}  // namespace eddy::sim
