#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/tcp_info.h>
#include <linux/tcp.h>  // not netinet/tcp.h, whose tcp_info is older
#include <netinet/in.h>

#include <string>

namespace eddy {

Result<TcpInfo> tcp_info_of(Reactor& reactor, int descriptor) {
  using std::chrono::microseconds;
  using std::chrono::milliseconds;
  if (descriptor < 0) return std::unexpected(Error(Errc::kClosed, "getsockopt", "TCP_INFO"));
  tcp_info from = {};
  socklen_t length = sizeof from;
  const int failed = reactor.kernel().getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &from, &length);
  if (failed < 0) {
    return failure(failed, "getsockopt", "TCP_INFO fd " + std::to_string(descriptor));
  }
  return TcpInfo{.state = static_cast<TcpState>(from.tcpi_state),
                 .round_trip = microseconds(from.tcpi_rtt),
                 .round_trip_variation = microseconds(from.tcpi_rttvar),
                 .least_round_trip = microseconds(from.tcpi_min_rtt),
                 .retransmit_timeout = microseconds(from.tcpi_rto),
                 .since_sent = milliseconds(from.tcpi_last_data_sent),
                 .since_received = milliseconds(from.tcpi_last_data_recv),
                 .since_acknowledged = milliseconds(from.tcpi_last_ack_recv),
                 .send_segment_bytes = from.tcpi_snd_mss,
                 .receive_segment_bytes = from.tcpi_rcv_mss,
                 .congestion_window = from.tcpi_snd_cwnd,
                 .slow_start_threshold = from.tcpi_snd_ssthresh,
                 .unacknowledged = from.tcpi_unacked,
                 .lost = from.tcpi_lost,
                 .retransmits = from.tcpi_total_retrans,
                 .data_segments_sent = from.tcpi_data_segs_out,
                 .data_segments_received = from.tcpi_data_segs_in,
                 .not_sent_bytes = from.tcpi_notsent_bytes,
                 .send_window_bytes = from.tcpi_snd_wnd,
                 .acknowledged_bytes = from.tcpi_bytes_acked,
                 .sent_bytes = from.tcpi_bytes_sent,
                 .retransmitted_bytes = from.tcpi_bytes_retrans,
                 .received_bytes = from.tcpi_bytes_received,
                 .delivery_bytes_per_second = from.tcpi_delivery_rate,
                 .pacing_bytes_per_second = from.tcpi_pacing_rate};
}

}  // namespace eddy
