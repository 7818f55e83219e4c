// Options of sockets, with their types: setsockopt(2) and getsockopt(2), both ways.
//
//   eddy::set_option(stream, eddy::options::kKeepAliveIdle, std::chrono::seconds(30));
//   auto queued = eddy::get_option(server, eddy::options::kReceiveBuffer);
//
// What it is: a table of names, each with the type of its value, in the man page's unit: socket(7),
// ip(7), ipv6(7), tcp(7). It works on whatever has a `descriptor` and a `reactor`: streams,
// listeners, servers, datagram sockets. What has to be set before a socket is bound, listens or
// connects goes into ListenOptions::settings and ConnectOptions::settings.
//
// Failure: what the kernel says, with the option's name: ENOPROTOOPT for what this kind of socket,
// or this kernel, has not, EPERM for what needs a capability, EINVAL for what is out of range; that
// also for a time that is negative or does not fit, and a text that is too long. Errc::kClosed
// where there is no socket.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/error.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <type_traits>

namespace eddy {

class Kernel;
class Reactor;

// An option whose value is a T.
template <typename T>
struct SocketOption {
  int level;
  int name;
  const char* label;  // as in the man page
};

// What setsockopt(2) is given.
struct OptionBytes {
  std::array<char, 16> bytes{};  // of the longest: an interface's or an algorithm's name
  socklen_t size = 0;            // 0: not a value that the option can have
};

namespace options {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// --- socket(7)
extern const SocketOption<bool> kKeepAlive;
// Before bind.
extern const SocketOption<bool> kReuseAddress;
extern const SocketOption<bool> kReusePort;
// The kernel doubles what is set, up to net.core.wmem_max and rmem_max, for its own bookkeeping,
// and gives the doubled value back. Once set it does not grow by itself. That of receiving bounds
// the window, whose scale is agreed with the first packet: set it before.
extern const SocketOption<size_t> kSendBuffer;
extern const SocketOption<size_t> kReceiveBuffer;
// Nothing: off. Otherwise close waits for what was sent, and at 0 s it is a reset; eddy closes
// without waiting, so what else than 0 s does is up to the kernel: `Stream::reset` and
// `Stream::close_confirmed` say what they do.
extern const SocketOption<std::optional<seconds>> kLinger;
extern const SocketOption<int> kPriority;
extern const SocketOption<uint32_t> kMark;  // CAP_NET_ADMIN
// An interface's name; empty for none. Before connect or listen.
extern const SocketOption<std::string> kBindToDevice;
// How long a read that finds nothing polls the network card.
extern const SocketOption<microseconds> kBusyPoll;

// --- ip(7), ipv6(7)
extern const SocketOption<int> kTypeOfService;
extern const SocketOption<int> kTrafficClass;
extern const SocketOption<int> kTimeToLive;
extern const SocketOption<bool> kFreeBind;
extern const SocketOption<bool> kV6Only;

// --- tcp(7)
extern const SocketOption<bool> kNoDelay;
// Partial segments wait, at most 200 ms.
extern const SocketOption<bool> kCork;
// Acknowledge at once; the kernel may go back to delaying by itself.
extern const SocketOption<bool> kQuickAck;
// Of a connection with kKeepAlive: silence before the first probe, between probes, and how many.
extern const SocketOption<seconds> kKeepAliveIdle;
extern const SocketOption<seconds> kKeepAliveInterval;
extern const SocketOption<int> kKeepAliveCount;
// How long what was sent may stay unacknowledged before the connection ends with ETIMEDOUT; 0 is
// the system's own.
extern const SocketOption<milliseconds> kUserTimeout;
// Of a listener: accept once data has come, or after so long. The kernel rounds it to its
// retransmissions.
extern const SocketOption<seconds> kDeferAccept;
// Of a listener: how many connections that bring data with their first packet may be pending
// (RFC 7413); net.ipv4.tcp_fastopen says whether they may at all.
extern const SocketOption<int> kFastOpen;
// Of a client: the first packet leaves with the first bytes, where a cookie of the server's is
// known. Such a connection stands at once, and what is wrong with it is told by the first send.
extern const SocketOption<bool> kFastOpenConnect;
// How often the first packet is sent again.
extern const SocketOption<int> kSynCount;
// The socket is ready to be written while less than this waits unsent.
extern const SocketOption<size_t> kNotSentLowWatermark;
// An algorithm's name, as in net.ipv4.tcp_available_congestion_control.
extern const SocketOption<std::string> kCongestion;

}  // namespace options

// --- What the templates below are made of.
OptionBytes encode_option(bool value);
OptionBytes encode_option(int value);
OptionBytes encode_option(uint32_t value);
OptionBytes encode_option(size_t value);
OptionBytes encode_option(std::chrono::seconds value);
OptionBytes encode_option(std::chrono::milliseconds value);
OptionBytes encode_option(std::chrono::microseconds value);
OptionBytes encode_option(const std::string& value);
OptionBytes encode_option(const std::optional<std::chrono::seconds>& value);

void decode_option(const OptionBytes& bytes, bool& value);
void decode_option(const OptionBytes& bytes, int& value);
void decode_option(const OptionBytes& bytes, uint32_t& value);
void decode_option(const OptionBytes& bytes, size_t& value);
void decode_option(const OptionBytes& bytes, std::chrono::seconds& value);
void decode_option(const OptionBytes& bytes, std::chrono::milliseconds& value);
void decode_option(const OptionBytes& bytes, std::chrono::microseconds& value);
void decode_option(const OptionBytes& bytes, std::string& value);
void decode_option(const OptionBytes& bytes, std::optional<std::chrono::seconds>& value);

// An option and the value that it is to have.
class SocketSetting {
 public:
  template <typename T>
  SocketSetting(const SocketOption<T>& option, const std::type_identity_t<T>& value)
      : level_(option.level),
        name_(option.name),
        label_(option.label),
        value_(encode_option(value)) {}

  Result<void> apply(Kernel& kernel, int descriptor) const;

 private:
  int level_;
  int name_;
  const char* label_;
  OptionBytes value_;
};

Result<void> set_option(Reactor& reactor, int descriptor, const SocketSetting& setting);
Result<OptionBytes> get_option(Reactor& reactor, int descriptor, int level, int name,
                               const char* label, socklen_t size);

template <typename Socket, typename T>
Result<void> set_option(const Socket& socket, const SocketOption<T>& option,
                        const std::type_identity_t<T>& value) {
  return set_option(socket.reactor(), socket.descriptor(), SocketSetting(option, value));
}

template <typename Socket, typename T>
Result<T> get_option(const Socket& socket, const SocketOption<T>& option) {
  T value{};
  const auto bytes = get_option(socket.reactor(), socket.descriptor(), option.level, option.name,
                                option.label, encode_option(value).size);
  if (!bytes) return std::unexpected(bytes.error());
  decode_option(*bytes, value);
  return value;
}

}  // namespace eddy
