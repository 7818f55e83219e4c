// Where a socket is: an IPv4 or IPv6 address with its port, or the name of a Unix socket.
//
// What it is: a plain value of fixed size that holds what the kernel calls a sockaddr. Text is read
// strictly: what is not an address in exactly one way is an error that says what is wrong. Names
// are not looked up; the one question that parsing asks the system is the number of an interface
// that a scope names (if_nametoindex(3)).
//
// Text:
//   127.0.0.1:7000         IPv4, four numbers without leading zeros
//   [::1]:7000             IPv6, always in brackets when a port follows
//   [fe80::1%eth0]:7000    a link-local address with its scope, the interface's name or number
//                          (RFC 4007, section 11)
//   *:7000 and :7000       any IPv4 address of this machine, which is 0.0.0.0:7000
//   [::]:7000              any IPv6 address; IPv4 as well, if the socket that is bound to it is
//                          dual-stack (ipv6(7))
//   unix:/run/app.sock     a Unix socket by its path, 1 to 107 bytes (unix(7)); without its first
//                          slash, from the working directory
//   unix:@app              … by a name of the abstract namespace, which is no file: 1 to 107 bytes
// In the last two, \xNN stands for the byte of that number: it is how a backslash (\x5c) is
// written, what is not printable, a NUL in an abstract name, and an @ that begins a path (\x40).
//
// Threads: an Address is a value; any thread may hold, copy and read it.
#pragma once

#include <eddy/core/error.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <functional>
#include <string>
#include <string_view>

namespace eddy {

class Address {
 public:
  // No address: family AF_UNSPEC, size 0.
  Address() noexcept = default;

  // Errors are Errc::kBadAddress, with the text as subject and what is wrong as advice.
  static Result<Address> parse(std::string_view text);
  // The host alone: brackets may be left out.
  static Result<Address> parse(std::string_view host, uint16_t port);
  // What the kernel gave: AF_INET, AF_INET6 or AF_UNIX. The flow label is dropped, and so is the
  // scope of an address that is not link-local, since neither says where the peer is.
  static Result<Address> from(const sockaddr* address, socklen_t size);
  // The same in place, for who does it often; false where `from` is an error, and nothing has
  // changed.
  bool assign(const sockaddr* address, socklen_t size) noexcept;

  // The one canonical text (RFC 5952), one printable line, which parse() takes; the scope is a
  // number. What parse() does not take: "unspecified" if there is no address, "unix:" and
  // "unix:@" for a Unix socket whose name is empty, and a path of 108 bytes, which only the kernel
  // can have given.
  std::string to_string() const;

  int family() const noexcept;  // AF_INET, AF_INET6, AF_UNIX or AF_UNSPEC
  uint16_t port() const noexcept;
  Address with_port(uint16_t port) const noexcept;  // as it is, where there are no ports

  // Of a Unix socket: its path, or its name behind the NUL that makes it abstract. Both are empty
  // for a socket that was not bound, as most clients are, and for what is not AF_UNIX. Valid while
  // this Address is.
  std::string_view path() const noexcept;
  std::string_view abstract_name() const noexcept;
  bool is_abstract() const noexcept;

  // 127.0.0.0/8, ::1, and the former mapped into IPv6 (::ffff:127.0.0.1), as a dual-stack listener
  // sees its peers.
  bool is_loopback() const noexcept;
  bool is_any() const noexcept;  // 0.0.0.0 or ::

  // For bind(2), connect(2) and their like.
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(bytes_.data()); }
  socklen_t size() const noexcept { return size_; }

  // Equal: same family, host, scope and port. The order is total, and means nothing else.
  friend bool operator==(const Address& a, const Address& b) noexcept {
    return a.bytes() == b.bytes();
  }
  friend std::strong_ordering operator<=>(const Address& a, const Address& b) noexcept {
    return a.bytes() <=> b.bytes();
  }

 private:
  template <typename Sockaddr>
  explicit Address(const Sockaddr& address) noexcept;
  template <typename Sockaddr>
  Sockaddr as() const noexcept;
  // `text` is what the user wrote, for the Error.
  static Result<Address> parse_host(std::string_view host, bool is_ipv6, std::string_view text);
  static Result<Address> parse_unix(std::string_view text);
  // `name` as it lies in sun_path, without the NUL behind a path.
  static Address unix_socket(std::string_view name) noexcept;
  std::string_view unix_name() const noexcept;

  friend struct std::hash<Address>;
  std::string_view bytes() const noexcept { return {bytes_.data(), size_}; }

  static constexpr size_t kCapacity = 110;  // a sockaddr_un

  // Every byte of a sockaddr that carries no meaning is 0, so that equal addresses have equal
  // bytes.
  alignas(8) std::array<char, kCapacity> bytes_{};
  uint16_t size_ = 0;
};

}  // namespace eddy

template <>
struct std::hash<eddy::Address> {
  size_t operator()(const eddy::Address& address) const noexcept {
    return std::hash<std::string_view>()(address.bytes());
  }
};
