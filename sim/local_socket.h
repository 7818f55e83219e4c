// Unix sockets of the simulated kernel: stream, datagram and seqpacket, with names and without.
//
// What it is: what unix(7) says, and what Linux does beyond it where programs can see it: a close
// with unread input gives the peer ECONNRESET, what had been sent can be read first; half of a
// connection that is shut shuts the other's half; a sender is writable again when three quarters of
// its buffer are free. Everything happens at once: there is no link between the two ends.
//
// Descriptors travel as FileRefs with the message they were sent with (SCM_RIGHTS). Those that are
// not taken, for want of room or because the receiver closes, are dropped with it. A socket that
// waits in its own queue is never freed: the garbage collection of unix(7) is not modelled, nor are
// urgent bytes and SO_PASSCRED.
#pragma once

#include <eddy/sim/file.h>
#include <eddy/sim/socket_options.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace eddy::sim {

class HostKernel;
class Simulation;

class LocalSocket final : public Socket {
 public:
  LocalSocket(Simulation& simulation, HostKernel& host, int type);
  ~LocalSocket() override;

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
  void keep_error(int error) override { error_ = error; }

  // socketpair(2)
  static void join(const std::shared_ptr<LocalSocket>& one,
                   const std::shared_ptr<LocalSocket>& other);

 private:
  using Ref = std::shared_ptr<LocalSocket>;
  enum class State : uint8_t { kUnconnected, kListening, kConnected };
  struct Message {
    std::string bytes;
    size_t taken = 0;  // of a stream's, that many are read
    std::vector<FileRef> rights;
    std::string source;
    std::weak_ptr<LocalSocket> sender;
    size_t cost = 0;  // of the sender's buffer

    size_t left() const { return bytes.size() - taken; }
  };

  Ref self() { return std::static_pointer_cast<LocalSocket>(shared_from_this()); }
  bool is_stream() const;
  bool has_connections() const;
  size_t send_capacity() const;
  bool has_peer(const LocalSocket& socket) const;
  bool is_full_for(const LocalSocket& sender) const;

  int connect_datagrams(const std::string& name);
  int connect_connection(const std::string& name);
  Ref find(const std::string& name, int& error) const;
  void wait_for_room(LocalSocket& at);
  void room_came();
  int take_error();

  // --- local_transfer.cpp
  ssize_t send_stream(const msghdr& message, std::vector<FileRef> rights);
  ssize_t send_datagram(const msghdr& message, std::vector<FileRef> rights);
  Ref datagram_target(const msghdr& message, int& error);
  void deliver(LocalSocket& to, std::string bytes, std::vector<FileRef> rights);
  ssize_t receive_stream(msghdr& message, int flags);
  ssize_t receive_datagram(msghdr& message, int flags);
  // The oldest message has been read.
  void drop_message();
  static void refund(const Message& message);
  int read_rights(const msghdr& message, std::vector<FileRef>& rights) const;
  void write_rights(msghdr& message, const std::vector<FileRef>& rights);
  size_t write_message(msghdr& message, const std::string& bytes, const std::string& source,
                       const std::vector<FileRef>& rights);

  Simulation& simulation_;
  HostKernel& host_;
  const int type_;
  SocketOptions options_;
  State state_ = State::kUnconnected;
  bool shut_for_receiving_ = false;
  bool shut_for_sending_ = false;
  bool never_accepted_ = false;
  int error_ = 0;           // SO_ERROR
  std::string name_;        // empty: none; a zero byte first: abstract
  bool owns_name_ = false;  // else it is the listener's
  std::string peer_name_;
  std::weak_ptr<LocalSocket> peer_;
  ucred credentials_;  // SO_PEERCRED
  std::deque<Message> received_;
  size_t unread_cost_ = 0;  // of what this socket has sent and nobody has read
  std::vector<std::weak_ptr<LocalSocket>> senders_;  // wait until this one has room
  size_t backlog_ = 0;
  std::deque<Ref> waiting_;  // connections to be accepted
};

// A name as in sun_path, without the zero byte behind a path: 0, or -EINVAL.
int parse_local_name(const sockaddr* address, socklen_t length, std::string& name);
// getsockname(2): the room, then what is needed.
void store_local_name(const std::string& name, sockaddr* address, socklen_t* length);

FileRef make_local_socket(Simulation& simulation, HostKernel& host,
                          int type);  // null: no such type
// Null with `error` set: -ESOCKTNOSUPPORT.
std::pair<FileRef, FileRef> make_socket_pair(Simulation& simulation, HostKernel& host, int type,
                                             int& error);

}  // namespace eddy::sim
