// TCP in a simulated world: sockets, and the connections between them.
//
// What it is: what tcp(7), connect(2), accept(2), shutdown(2) and close(2) say, and what Linux does
// beyond them where programs can see it: a half-open backlog, windows that fill, a reset that lets
// what had arrived be read, a close with unread input that is a reset. What is not modelled because
// no program sees it: sequence numbers, retransmission (a shut link holds bytes back instead),
// TIME-WAIT.
//
// Ownership: a connection lives in the Network's list until both its sides have ended; a TcpSocket
// holds its side.
#pragma once

#include <eddy/sim/byte_queue.h>
#include <eddy/sim/file.h>
#include <eddy/sim/in_place.h>
#include <eddy/sim/network.h>
#include <eddy/sim/socket_options.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace eddy::sim {

class TcpSocket;

// One end of a connection: what its host's kernel has of it, whether or not a socket holds it
// still.
struct TcpSide {
  HostKernel* host = nullptr;
  Name name;
  TcpSocket* socket = nullptr;  // null: not accepted yet, or closed
  bool orphaned = false;        // closed: nobody will read it
  bool established = false;
  bool dead = false;  // reset, given up or finished: nothing moves any more

  ByteQueue to_send;
  std::optional<size_t> urgent_to_send;  // where in it the urgent byte is
  size_t in_flight = 0;                  // sent, and not acknowledged
  uint64_t bytes_sent = 0;               // by the program, and …
  uint64_t bytes_acknowledged = 0;       // … of these
  uint32_t sends_in_place = 0;
  std::deque<InPlaceSend> in_place;  // that the kernel has not let go of
  size_t send_capacity = 256 * 1024;
  bool wants_space = false;  // a send met a full buffer
  bool shut_for_sending = false;
  bool fin_sent = false;
  int64_t last_arrival_ns = 0;  // of what this side sent
  int64_t blocked_since_ns = -1;

  ByteQueue received;
  size_t on_its_way = 0;  // to here: it has its room already
  size_t receive_capacity = 128 * 1024;
  bool fin_received = false;
  bool shut_for_receiving = false;  // by our own shutdown
  int error = 0;                    // SO_ERROR
  // The urgent byte lies among the others: where, in `received`, until a read has passed it.
  std::optional<size_t> urgent_at;
  bool urgent_is_read = false;     // by MSG_OOB
  uint32_t segments_received = 0;  // with data
};

class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(Simulation& simulation, uint64_t number)
      : simulation_(simulation), number_(number) {}

  TcpSide sides[2];  // the one that connected, the one that accepted
  TcpSide& other(TcpSide& side) { return &side == &sides[0] ? sides[1] : sides[0]; }
  uint64_t number() const { return number_; }

  // --- Making
  void send_syn(int attempt);
  void fail(int error) { give_up(sides[0], error); }  // what ICMP or a firewall says
  // --- Moving
  void transmit(TcpSide& from);
  // Of what the program has just sent: the kernel reads it where it is.
  void keep_in_place(TcpSide& from, const msghdr& message, size_t size);
  void window_opened(TcpSide& reader);
  // --- Ending
  void send_fin(TcpSide& from);
  // This side is gone at once; the other learns of it as fast as the link is.
  void send_reset(TcpSide& from);
  // Both learn of it now: somebody in between did it.
  void break_off();
  // Its socket is closed: FIN after what is queued, or a reset.
  void orphan(TcpSide& side, bool abort);

 private:
  friend class Network;
  void syn_arrives(int attempt);
  void refuse();
  void answer_arrives();
  void acknowledgement_arrives();
  void give_up(TcpSide& side, int error);
  void segment_arrives(TcpSide& to, const std::string& bytes, std::optional<size_t> urgent_at);
  void acknowledged(TcpSide& from, size_t count);
  void let_go(TcpSide& from);
  void notify(const HostKernel& host, TcpSocket* socket, const InPlaceSend& send);
  void fin_arrives(TcpSide& to);
  void reset_arrives(TcpSide& to);
  void end_side(TcpSide& side, int error);
  void held_back(TcpSide& from);
  void maybe_forget();
  static void wake(TcpSide& side, uint32_t events);
  // `then` happens when what leaves now has arrived.
  template <typename Then>
  void at_arrival(TcpSide& from, size_t bytes, Then&& then);

  Simulation& simulation_;
  const uint64_t number_;
  std::weak_ptr<File> listener_;  // in whose backlog it is
  bool half_open_ = false;
  bool broken_ = false;
  int64_t acknowledgement_order_ = 0;
};

class TcpSocket final : public Socket {
 public:
  TcpSocket(HostKernel& host, sa_family_t family);
  // The accepted end of a connection.
  TcpSocket(const TcpSocket& listener, std::shared_ptr<TcpConnection> connection);
  ~TcpSocket() override;

  uint32_t readiness() override;
  int bind(const sockaddr* address, socklen_t length) override;
  int connect(const sockaddr* address, socklen_t length) override;
  int listen(int backlog) override;
  FileRef accept(int& error) override;
  int shutdown(int how) override;
  int local_name(sockaddr* address, socklen_t* length) override;
  int peer_name(sockaddr* address, socklen_t* length) override;
  int get_option(int level, int name, void* value, socklen_t* length) override;
  int set_option(int level, int name, const void* value, socklen_t length) override;
  ssize_t receive(msghdr& message, int flags) override;
  ssize_t send(const msghdr& message, int flags) override;

  HostKernel& host() const { return host_; }
  TcpConnection* connection() const { return connection_.get(); }
  bool is_listening() const { return listening_; }

  // --- The listener's queue
  bool has_room() const { return waiting_.size() + half_open_ <= backlog_; }
  void half_open(int by) { half_open_ += static_cast<size_t>(by); }
  void offer(std::shared_ptr<TcpConnection> connection);
  // The kernel has let go of what was sent in place.
  void notify(const InPlaceSend& send);
  // The handshake is over: the send buffer grows, unless somebody has set it.
  void established();
  const SocketOptions& options() const { return options_; }
  uint64_t overflows = 0;  // connections that found the queue full

 private:
  TcpSide& side() const { return connection_->sides[accepted_ ? 1 : 0]; }
  int claim_port();
  int disconnect();
  void adopt_options(TcpSide& mine) const;
  int connection_info(void* value, socklen_t* length);
  int set_name(int name, const void* value, socklen_t length);
  ssize_t receive_bytes(const msghdr& message, int flags, size_t room);
  ssize_t receive_urgent(msghdr& message, int flags);
  bool has_readable_bytes(const TcpSide& mine) const;

  HostKernel& host_;
  const sa_family_t family_;
  SocketOptions options_;
  Name local_;
  bool claimed_ = false;
  bool send_buffer_is_set_ = false;  // by the program
  NotificationQueue notifications_;
  std::string congestion_ = "cubic";
  std::string device_;  // SO_BINDTODEVICE, which no route heeds here
  std::shared_ptr<TcpConnection> connection_;
  bool accepted_ = false;
  bool told_connected_ = false;  // a connect has returned 0, or could have
  bool listening_ = false;
  size_t backlog_ = 0;
  size_t half_open_ = 0;
  std::deque<std::shared_ptr<TcpConnection>> waiting_;
};

}  // namespace eddy::sim
