#include <eddy/sim/host_kernel.h>
#include <eddy/sim/tcp_socket.h>

#include <utility>

#include <eddy/sim/checksum.h>

namespace eddy::sim {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int kSynAttempts = 7;                        // tcp(7), tcp_syn_retries: some 127 s in all
constexpr int64_t kRetransmitForNs = 924 * kSecondNs;  // tcp(7), tcp_retries2
constexpr size_t kLargestSegment = 64 * 1024;
constexpr int64_t kLatestNotificationNs = 900'000'000;

}  // namespace

template <typename Then>
void TcpConnection::at_arrival(TcpSide& from, size_t bytes, Then&& then) {
  simulation_.network->carry(
      *from.host, *other(from).host, bytes, &from.last_arrival_ns,
      [self = shared_from_this(), then = std::forward<Then>(then)]() mutable { then(*self); });
}

void TcpConnection::wake(TcpSide& side, uint32_t events) {
  if (side.socket != nullptr) side.socket->wake(events);
}

// --- Making

void TcpConnection::send_syn(int attempt) {
  TcpSide& client = sides[0];
  if (client.dead) return;
  if (attempt == kSynAttempts) return give_up(client, ETIMEDOUT);
  const bool lost =
      client.host == nullptr || simulation_.strikes(Fault::kConnectLost, *client.host);
  if (!lost && sides[1].host != nullptr) {
    at_arrival(client, 0, [attempt](TcpConnection& self) { self.syn_arrives(attempt); });
  }
  simulation_.after(kSecondNs << attempt, [self = shared_from_this(), attempt] {
    if (!self->sides[0].established) self->send_syn(attempt + 1);
  });
}

void TcpConnection::syn_arrives(int attempt) {
  TcpSide& server = sides[1];
  // An earlier one was answered, or nobody waits for the answer any more.
  if (server.established || sides[0].dead || half_open_ || broken_) return;
  TcpSocket* listener = simulation_.network->listener(*server.host, server.name);
  if (listener == nullptr) return refuse();
  if (!listener->has_room()) {  // the SYN is dropped: it will come again (listen(2), the backlog)
    ++listener->overflows;
    simulation_.note(*server.host, "backlog full", {server.name.port, attempt});
    return;
  }
  listener_ = listener->weak_from_this();
  half_open_ = true;
  listener->half_open(1);
  at_arrival(server, 0, [](TcpConnection& self) { self.answer_arrives(); });
}

void TcpConnection::refuse() {
  at_arrival(sides[1], 0, [](TcpConnection& self) { self.give_up(self.sides[0], ECONNREFUSED); });
}

void TcpConnection::answer_arrives() {
  TcpSide& client = sides[0];
  if (client.dead) {  // closed meanwhile
    at_arrival(client, 0, [](TcpConnection& self) { self.acknowledgement_arrives(); });
    return;
  }
  client.established = true;
  if (client.socket != nullptr) client.socket->established();
  at_arrival(client, 0, [](TcpConnection& self) { self.acknowledgement_arrives(); });
  wake(client, POLLOUT | POLLWRNORM);
  transmit(client);
}

void TcpConnection::acknowledgement_arrives() {
  TcpSide& server = sides[1];
  const auto file = listener_.lock();
  auto* listener = static_cast<TcpSocket*>(file.get());
  half_open_ = false;
  if (listener != nullptr) listener->half_open(-1);
  if (broken_ || (sides[0].dead && !sides[0].established)) return maybe_forget();
  server.established = true;
  if (listener == nullptr || !listener->is_listening()) return send_reset(server);
  listener->offer(shared_from_this());
}

void TcpConnection::give_up(TcpSide& side, int error) {
  if (side.dead || (&side == &sides[0] && side.established && error == ECONNREFUSED)) return;
  end_side(side, error);
}

// --- Moving

// What the window has room for leaves; then, if it is asked for and all has left, the FIN.
void TcpConnection::transmit(TcpSide& from) {
  TcpSide& to = other(from);
  if (!from.established || from.dead) return;
  while (!from.to_send.empty()) {
    const size_t taken = to.received.size() + to.on_its_way;
    if (taken >= to.receive_capacity) return;
    if (simulation_.strikes(Fault::kReset, *from.host)) {
      // Not from inside the call that sends.
      return simulation_.after(0, [self = shared_from_this()] { self->break_off(); });
    }
    size_t size = std::min({from.to_send.size(), to.receive_capacity - taken, kLargestSegment});
    if (simulation_.strikes(Fault::kSmallSegments, *from.host)) {
      size = 1 + simulation_.tape.draw(size);
      from.last_arrival_ns = std::max(from.last_arrival_ns, simulation_.now_ns()) +
                             simulation_.tape.between(0, 20'000);
    }
    std::string bytes(from.to_send.data(), size);
    from.to_send.drop(size);
    std::optional<size_t> urgent_at;
    if (from.urgent_to_send && *from.urgent_to_send < size) {
      urgent_at = std::exchange(from.urgent_to_send, std::nullopt);
    } else if (from.urgent_to_send) {
      *from.urgent_to_send -= size;
    }
    from.in_flight += size;
    to.on_its_way += size;
    held_back(from);
    at_arrival(from, size, [&to, bytes = std::move(bytes), urgent_at](TcpConnection& self) {
      self.segment_arrives(to, bytes, urgent_at);
    });
  }
  if (!from.shut_for_sending || from.fin_sent) return;
  from.fin_sent = true;
  at_arrival(from, 0, [&to](TcpConnection& self) { self.fin_arrives(to); });
}

// Bytes that a shut link keeps are sent again and again; at some time the sender gives up.
void TcpConnection::held_back(TcpSide& from) {
  if (from.blocked_since_ns >= 0) return;
  if (!simulation_.network->is_shut(simulation_.network->link(*from.host, *other(from).host)))
    return;
  const int64_t since = from.blocked_since_ns = simulation_.now_ns();
  simulation_.after(kRetransmitForNs, [self = shared_from_this(), &from, since] {
    if (from.blocked_since_ns == since) self->end_side(from, ETIMEDOUT);
  });
}

void TcpConnection::segment_arrives(TcpSide& to, const std::string& bytes,
                                    std::optional<size_t> urgent_at) {
  TcpSide& from = other(to);
  to.on_its_way -= bytes.size();
  from.blocked_since_ns = -1;
  if (to.dead) return;
  if (to.orphaned) return send_reset(to);
  if (!to.shut_for_receiving) {
    if (urgent_at) {  // of two, the first becomes a byte like the others (tcp_check_urg)
      to.urgent_at = to.received.size() + *urgent_at;
      to.urgent_is_read = false;
    }
    to.received.push(bytes);
  }
  ++to.segments_received;
  simulation_.network->carry(*to.host, *from.host, 0, &acknowledgement_order_,
                             [self = shared_from_this(), &from, count = bytes.size()] {
                               self->acknowledged(from, count);
                             });
  wake(to, POLLIN | POLLRDNORM | (urgent_at ? POLLPRI : 0U));
}

void TcpConnection::acknowledged(TcpSide& from, size_t count) {
  from.in_flight -= std::min(count, from.in_flight);
  from.bytes_acknowledged += count;
  if (from.dead) return;
  let_go(from);
  const size_t used = from.to_send.size() + from.in_flight;
  if (from.wants_space && (from.send_capacity - std::min(used, from.send_capacity)) * 2 >= used) {
    from.wants_space = false;
    wake(from, POLLOUT | POLLWRNORM);
  }
  transmit(from);
  maybe_forget();
}

// Loopback copies (skb_orphan_frags_rx).
void TcpConnection::keep_in_place(TcpSide& from, const msghdr& message, size_t size) {
  const bool is_loopback = other(from).host == from.host;
  InPlaceSend send = {
      .number = from.sends_in_place++,
      .end = from.bytes_sent,
      .was_copied = simulation_.strikes(Fault::kZeroCopyCopied, *from.host) || is_loopback,
      .process = from.host->process(),
      .checksum = 0,
      .pieces = InPlaceSend::first_of(message, size)};
  send.checksum = checksum_of(send.pieces);
  from.in_place.push_back(std::move(send));
}

// Of what is acknowledged, or will never be.
void TcpConnection::let_go(TcpSide& from) {
  while (!from.in_place.empty() &&
         (from.dead || from.in_place.front().end <= from.bytes_acknowledged)) {
    InPlaceSend send = std::move(from.in_place.front());
    from.in_place.pop_front();
    if (!simulation_.strikes(Fault::kZeroCopyLate, *from.host)) {
      notify(*from.host, from.socket, send);
      continue;
    }
    // The socket may have left the connection by then, and be told all the same.
    const auto file =
        from.socket == nullptr ? std::weak_ptr<File>() : from.socket->weak_from_this();
    simulation_.after(simulation_.tape.between(10'000'000, kLatestNotificationNs),
                      [self = shared_from_this(), &from, file, send = std::move(send)] {
                        const FileRef socket = file.lock();
                        self->notify(*from.host, static_cast<TcpSocket*>(socket.get()), send);
                      });
  }
}

void TcpConnection::notify(const HostKernel& host, TcpSocket* socket, const InPlaceSend& send) {
  if (host.process() != send.process) return;  // its memory went with it
  if (!send.is_unchanged()) {
    simulation_.violation("bytes of a zero-copy send were changed before its notification");
  }
  if (socket != nullptr) socket->notify(send);
}

// The reader has made room: the sender learns of it with the next acknowledgement.
void TcpConnection::window_opened(TcpSide& reader) {
  TcpSide& writer = other(reader);
  if (writer.to_send.empty() || writer.dead) return;
  simulation_.network->carry(*reader.host, *writer.host, 0, &acknowledgement_order_,
                             [self = shared_from_this(), &writer] { self->transmit(writer); });
}

// --- Ending

void TcpConnection::send_fin(TcpSide& from) {
  from.shut_for_sending = true;
  transmit(from);
}

void TcpConnection::fin_arrives(TcpSide& to) {
  if (to.dead) return;
  to.fin_received = true;
  const bool all = to.shut_for_sending;
  wake(to, POLLIN | POLLRDNORM | POLLRDHUP | (all ? POLLHUP : 0U));
  maybe_forget();
}

void TcpConnection::send_reset(TcpSide& from) {
  if (from.dead) return;
  TcpSide& to = other(from);
  simulation_.note(*from.host, "tcp reset", {static_cast<int64_t>(number_)});
  end_side(from, 0);
  at_arrival(from, 0, [&to](TcpConnection& self) { self.reset_arrives(to); });
}

void TcpConnection::reset_arrives(TcpSide& to) {
  const int error = !to.established ? ECONNREFUSED : to.fin_received ? EPIPE : ECONNRESET;
  end_side(to, error);
}

void TcpConnection::break_off() {
  broken_ = true;  // where the other side does not have it yet, it never will
  end_side(sides[0], ECONNRESET);
  if (sides[1].established) end_side(sides[1], ECONNRESET);
}

void TcpConnection::end_side(TcpSide& side, int error) {
  if (side.dead) return;
  side.dead = true;
  side.error = error;
  side.to_send.clear();
  let_go(side);
  wake(side, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP | POLLRDHUP);
  maybe_forget();
}

void TcpConnection::orphan(TcpSide& side, bool abort) {
  side.socket = nullptr;
  side.orphaned = true;
  if (side.dead) return maybe_forget();
  if (!side.established) return end_side(side, 0);  // the answer, if it comes, finds nobody
  if (abort || !side.received.empty()) return send_reset(side);
  send_fin(side);
}

// Nothing is left that anybody could see.
void TcpConnection::maybe_forget() {
  for (const TcpSide& side : sides) {
    const bool finished = side.dead || (side.fin_sent && side.in_flight == 0 && side.fin_received);
    if (side.socket != nullptr || !finished) return;
  }
  simulation_.network->forget(*this);
}

}  // namespace eddy::sim
