// Connections of messages: Unix sockets of the kind SOCK_SEQPACKET (unix(7)).
//
//   eddy::SeqpacketServer server(reactor, {.on_message = [](eddy::Seqpacket& peer,
//       eddy::Slice bytes, const eddy::SeqpacketInfo&) { peer.send(std::move(bytes)); }});
//   if (auto ok = server.listen("unix:/run/app.sock"); !ok) return eddy::report(ok.error());
//
// What it is: in order and without loss like a Stream, and each message whole like a Datagram's, in
// memory of its own (`ReactorOptions::message_buffers`). `Seqpacket` is a handle: small, to be
// copied and kept; the connection lives in its reactor until its on_close.
//
//  - A message that is longer than there is room for is cut: `SeqpacketInfo::truncated`, with the
//    real length in `length`.
//  - A message of no bytes and the end of input are the same to who receives: recvmsg(2) returns 0
//    for both. So `send` refuses the former, and one that arrives is taken for the end.
//  - A message that SO_SNDBUF has no room for can never leave: it ends the connection with
//    EMSGSIZE.
//
// None of the callbacks runs inside a call of the user's; any of them may close this connection or
// another. What is sent in one turn leaves together (sendmmsg(2)), in order.
//
// Threads: the reactor's alone. A stale handle (after on_close) makes every function do nothing,
// and stops a debug build of eddy (core/check.h); `is_open` may always be asked.
#pragma once

#include <eddy/core/slice.h>
#include <eddy/net/credentials.h>
#include <eddy/net/listener.h>

#include <functional>
#include <memory>
#include <string_view>

namespace eddy {

class Seqpacket;
class SeqpacketSlot;

struct SeqpacketInfo {
  size_t length = 0;  // its own, which is more than the bytes' where it was truncated
  bool truncated = false;
};

// Callbacks and limits. Move-only, since the callbacks are.
struct SeqpacketOptions {
  // The connection stands.
  InlineFunction<void(Seqpacket&)> on_open{};
  InlineFunction<void(Seqpacket&, Slice, const SeqpacketInfo&)> on_message{};
  // The peer has finished sending; sending to it goes on. Without it, the connection closes once
  // its queue is empty.
  InlineFunction<void(Seqpacket&)> on_end{};
  // There is room in the send queue again, after a send was refused: half of it is free.
  InlineFunction<void(Seqpacket&)> on_drain{};
  // The end: no code after `close` or `reset`; ECONNRESET where the peer closed without having read
  // everything, EMSGSIZE and their like else.
  InlineFunction<void(Seqpacket&, std::error_code)> on_close{};

  uint32_t max_message_bytes = UINT32_MAX;  // more is cut off; see also message_buffers
  size_t send_queue_messages = 1024;
  size_t send_queue_bytes = 4 * 1024 * 1024;
};

class Seqpacket {
 public:
  Seqpacket() = default;
  // Connects at once or not at all: the error is that of connect(2). What is sent before on_open
  // waits. The connection is the reactor's.
  static Result<Seqpacket> connect(Reactor& reactor, std::string_view address,
                                   SeqpacketOptions options);
  static Result<Seqpacket> connect(Reactor& reactor, const Address& address,
                                   SeqpacketOptions options);

  // Not closed, and not being closed.
  bool is_open() const;

  // True: the message is queued. False, and it is dropped: the queue is full (on_drain will come),
  // it has no bytes, or the connection is closing.
  bool send(Slice bytes);
  bool send(std::string_view bytes);  // copies them

  // After `pause` no on_message and no on_end comes until `resume`; what had arrived is kept.
  void pause();
  void resume();
  bool is_paused() const;

  // Sends what is queued, then the end of input; the peer may go on sending.
  void shutdown_write();
  // Sends what is queued, then closes. What arrives meanwhile is dropped.
  void close();
  // Drops what is queued, then closes.
  void reset();

  Result<Address> local_address() const;
  Result<Address> peer_address() const;
  Result<PeerCredentials> peer_credentials() const;
  int descriptor() const;  // -1 once it is being closed
  bool operator==(const Seqpacket&) const = default;

 private:
  friend class SeqpacketSlot;
  explicit Seqpacket(SeqpacketSlot& slot);
  SeqpacketSlot* find() const;
  SeqpacketSlot* slot_ = nullptr;
  uint32_t generation_ = 0;
};

// Owns its listening socket and its connections: destroying it closes them all, without callbacks.
// It may be destroyed after its reactor, but not used. Paths are treated as by Listener.
class SeqpacketServer {
 public:
  SeqpacketServer(Reactor& reactor, SeqpacketOptions options);
  ~SeqpacketServer();
  SeqpacketServer(const SeqpacketServer&) = delete;
  SeqpacketServer& operator=(const SeqpacketServer&) = delete;

  // "unix:/run/app.sock", "unix:@app"; Errc::kUnsupported for what is no Unix socket's address.
  Result<void> listen(std::string_view address, const ListenOptions& options = {});
  Result<void> listen(const Address& address, const ListenOptions& options = {});
  Result<Address> local_address() const;

  size_t connections() const;
  // Every open connection; `visit` may close any of them.
  void for_each(const std::function<void(Seqpacket&)>& visit);
  // No new connections; those that stand go on.
  void close();

 private:
  class Connections;
  std::unique_ptr<Connections> connections_;
};

}  // namespace eddy
