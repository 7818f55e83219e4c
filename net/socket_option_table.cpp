// The table of net/socket_options.h.
#include <eddy/net/socket_options.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace eddy::options {

constinit const SocketOption<bool> kKeepAlive{SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE"};
constinit const SocketOption<bool> kReuseAddress{SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"};
constinit const SocketOption<bool> kReusePort{SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT"};
constinit const SocketOption<size_t> kSendBuffer{SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF"};
constinit const SocketOption<size_t> kReceiveBuffer{SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF"};
constinit const SocketOption<std::optional<seconds>> kLinger{SOL_SOCKET, SO_LINGER, "SO_LINGER"};
constinit const SocketOption<int> kPriority{SOL_SOCKET, SO_PRIORITY, "SO_PRIORITY"};
constinit const SocketOption<uint32_t> kMark{SOL_SOCKET, SO_MARK, "SO_MARK"};
constinit const SocketOption<std::string> kBindToDevice{SOL_SOCKET, SO_BINDTODEVICE,
                                                        "SO_BINDTODEVICE"};
constinit const SocketOption<microseconds> kBusyPoll{SOL_SOCKET, SO_BUSY_POLL, "SO_BUSY_POLL"};
constinit const SocketOption<int> kTypeOfService{IPPROTO_IP, IP_TOS, "IP_TOS"};
constinit const SocketOption<int> kTrafficClass{IPPROTO_IPV6, IPV6_TCLASS, "IPV6_TCLASS"};
constinit const SocketOption<int> kTimeToLive{IPPROTO_IP, IP_TTL, "IP_TTL"};
constinit const SocketOption<bool> kFreeBind{IPPROTO_IP, IP_FREEBIND, "IP_FREEBIND"};
constinit const SocketOption<bool> kV6Only{IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"};
constinit const SocketOption<bool> kNoDelay{IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"};
constinit const SocketOption<bool> kCork{IPPROTO_TCP, TCP_CORK, "TCP_CORK"};
constinit const SocketOption<bool> kQuickAck{IPPROTO_TCP, TCP_QUICKACK, "TCP_QUICKACK"};
constinit const SocketOption<seconds> kKeepAliveIdle{IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE"};
constinit const SocketOption<seconds> kKeepAliveInterval{IPPROTO_TCP, TCP_KEEPINTVL,
                                                         "TCP_KEEPINTVL"};
constinit const SocketOption<int> kKeepAliveCount{IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT"};
constinit const SocketOption<milliseconds> kUserTimeout{IPPROTO_TCP, TCP_USER_TIMEOUT,
                                                        "TCP_USER_TIMEOUT"};
constinit const SocketOption<seconds> kDeferAccept{IPPROTO_TCP, TCP_DEFER_ACCEPT,
                                                   "TCP_DEFER_ACCEPT"};
constinit const SocketOption<int> kFastOpen{IPPROTO_TCP, TCP_FASTOPEN, "TCP_FASTOPEN"};
constinit const SocketOption<bool> kFastOpenConnect{IPPROTO_TCP, TCP_FASTOPEN_CONNECT,
                                                    "TCP_FASTOPEN_CONNECT"};
constinit const SocketOption<int> kSynCount{IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT"};
constinit const SocketOption<size_t> kNotSentLowWatermark{IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                                                          "TCP_NOTSENT_LOWAT"};
constinit const SocketOption<std::string> kCongestion{IPPROTO_TCP, TCP_CONGESTION,
                                                      "TCP_CONGESTION"};

}  // namespace eddy::options
