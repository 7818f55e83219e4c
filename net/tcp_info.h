// What the kernel knows of a TCP connection: TCP_INFO (tcp(7)), with its units.
//
// What it is: a plain value, read at one moment, in one system call. Rates and counts are the
// kernel's own estimates. What an older kernel lacks is 0.
#pragma once

#include <eddy/core/error.h>
#include <stdint.h>

#include <chrono>

namespace eddy {

class Reactor;

// The states of RFC 9293, section 3.3.2, by their numbers in Linux.
enum class TcpState : uint8_t {
  kEstablished = 1,
  kSynSent,
  kSynReceived,
  kFinWait1,
  kFinWait2,
  kTimeWait,
  kClosed,
  kCloseWait,
  kLastAck,
  kListening,
  kClosing,
};

struct TcpInfo {
  TcpState state = TcpState::kClosed;

  // --- Time
  std::chrono::microseconds round_trip{0};            // smoothed
  std::chrono::microseconds round_trip_variation{0};  // its mean deviation
  std::chrono::microseconds least_round_trip{0};      // in the last minutes
  std::chrono::microseconds retransmit_timeout{0};
  std::chrono::milliseconds since_sent{0};      // data
  std::chrono::milliseconds since_received{0};  // data
  std::chrono::milliseconds since_acknowledged{0};

  // --- Segments
  uint32_t send_segment_bytes = 0;
  uint32_t receive_segment_bytes = 0;
  uint32_t congestion_window = 0;     // segments
  uint32_t slow_start_threshold = 0;  // segments
  uint32_t unacknowledged = 0;        // segments, sent
  uint32_t lost = 0;                  // of them, as far as known
  uint32_t retransmits = 0;           // in all
  uint32_t data_segments_sent = 0;
  uint32_t data_segments_received = 0;

  // --- Bytes
  uint32_t not_sent_bytes = 0;     // that wait in the socket
  uint32_t send_window_bytes = 0;  // what the peer has room for (Linux 5.4)
  uint64_t acknowledged_bytes = 0;
  uint64_t sent_bytes = 0;
  uint64_t retransmitted_bytes = 0;
  uint64_t received_bytes = 0;
  uint64_t delivery_bytes_per_second = 0;
  uint64_t pacing_bytes_per_second = 0;  // UINT64_MAX: not paced
};

// ENOPROTOOPT or EOPNOTSUPP for what is not TCP.
Result<TcpInfo> tcp_info_of(Reactor& reactor, int descriptor);
template <typename Socket>
Result<TcpInfo> tcp_info_of(const Socket& socket) {
  return tcp_info_of(socket.reactor(), socket.descriptor());
}

}  // namespace eddy
