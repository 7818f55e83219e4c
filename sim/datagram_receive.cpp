// How datagrams arrive at a UDP socket, and what is told of those that did not.
#include <eddy/sim/datagram_socket.h>
#include <eddy/sim/host_kernel.h>

#include <algorithm>
#include <utility>

namespace eddy::sim {
int DatagramSocket::match(const HostKernel& host, const Name& destination,
                          const Name& source) const {
  if (&host != &host_ || local_.port != destination.port) return 0;
  if (connected_ && peer_ != source) return 0;
  const int particular = connected_ ? 4 : 0;
  if (local_.family == destination.family && local_.ip == destination.ip) return particular + 2;
  const bool hears_family =
      local_.family == destination.family || !options_.flag(IPPROTO_IPV6, IPV6_V6ONLY);
  if (local_.is_any() && hears_family) return particular + 1;
  return connected_ && is_broadcast(destination) ? particular : 0;
}

// The best fitting socket gets it, and of several the youngest; those that share a port by
// SO_REUSEPORT share the senders as well. A broadcast, and what goes to a group, is for all.
void DatagramSocket::arrive(Simulation& simulation, const PacketRef& packet) {
  const Datagram& datagram = packet->datagram;
  const bool is_for_many = datagram.destination.is_for_many() || is_broadcast(datagram.destination);
  std::vector<std::shared_ptr<DatagramSocket>> best;
  int best_match = 1;
  for (DatagramSocket* socket : simulation.network->datagram_sockets) {
    const int match = socket->match(*packet->to, datagram.destination, datagram.source);
    if (match == 0 || (match < best_match && !is_for_many)) continue;
    if (is_for_many && !socket->groups_.wants(datagram.destination, datagram.source)) continue;
    if (match > best_match && !is_for_many) best.clear();
    best_match = std::max(match, best_match);
    best.push_back(std::static_pointer_cast<DatagramSocket>(socket->shared_from_this()));
  }
  if (is_for_many) {
    for (const auto& socket : best) socket->deliver(datagram);
  } else if (best.empty()) {
    answer_unreachable(simulation, packet);
  } else if (best.back()->options_.flag(SOL_SOCKET, SO_REUSEPORT)) {
    best[datagram.source.port % best.size()]->deliver(datagram);
  } else {
    best.back()->deliver(datagram);
  }
}

// Whole, or taken apart where its segments are not asked for together.
void DatagramSocket::deliver(Datagram datagram) {
  datagram.arrived_ns = simulation_.wall_ns();
  const size_t segment = datagram.segment_bytes;
  if (segment == 0 || options_.flag(IPPROTO_UDP, kUdpGro)) return enqueue(std::move(datagram));
  const std::string bytes = std::exchange(datagram.bytes, {});
  datagram.segment_bytes = 0;
  for (size_t at = 0; at < bytes.size(); at += segment) {
    Datagram part = datagram;
    part.bytes = bytes.substr(at, segment);
    enqueue(std::move(part));
  }
}

void DatagramSocket::enqueue(Datagram&& datagram) {
  const size_t cost = cost_of(datagram);
  const auto capacity = static_cast<size_t>(options_.number(SOL_SOCKET, SO_RCVBUF));
  if (received_cost_ + cost > capacity) {
    ++drops_;
    return simulation_.note(host_, "udp dropped", {local_.port});
  }
  received_cost_ += cost;
  received_.push_back(std::move(datagram));
  wake(POLLIN | POLLRDNORM);
}

// ICMP port unreachable (RFC 1122, 4.1.3.3): a connected socket is told, and one that has asked for
// it (IP_RECVERR).
void DatagramSocket::answer_unreachable(Simulation& simulation, const PacketRef& packet) {
  Network& network = *simulation.network;
  if (network.is_shut(network.link(*packet->to, *packet->from))) return;
  network.carry(*packet->to, *packet->from, 2 * kDatagramHeaders, nullptr, [packet] {
    if (const auto sender = packet->sender.lock()) sender->told_unreachable(*packet);
  });
}

void DatagramSocket::told_unreachable(const Packet& packet) {
  const Datagram& datagram = packet.datagram;
  const bool is_ipv6 = datagram.destination.family == AF_INET6;
  const bool keeps =
      is_ipv6 ? options_.flag(IPPROTO_IPV6, IPV6_RECVERR) : options_.flag(IPPROTO_IP, IP_RECVERR);
  if (!keeps && (!connected_ || peer_ != datagram.destination)) return;
  if (keeps) kept_errors_.push_back({ECONNREFUSED, datagram.destination, datagram});
  error_ = ECONNREFUSED;
  wake(POLLERR);
}

// MSG_ERRQUEUE: the datagram that the error is about, and where it was sent to (recv(2)).
ssize_t DatagramSocket::receive_error(msghdr& message, size_t control_room) {
  if (kept_errors_.empty()) return -EAGAIN;
  const KeptError kept = std::move(kept_errors_.front());
  kept_errors_.pop_front();
  error_ = kept_errors_.empty() ? 0 : kept_errors_.front().error;
  message.msg_flags = MSG_ERRQUEUE;
  if (message.msg_name != nullptr) {
    kept.datagram.destination.store(family_, static_cast<sockaddr*>(message.msg_name),
                                    &message.msg_namelen);
  }
  write_error(message, control_room, kept);
  const std::string& bytes = kept.datagram.bytes;
  const size_t taken = scatter(message.msg_iov, message.msg_iovlen, bytes.data(), bytes.size());
  if (taken < bytes.size()) message.msg_flags |= MSG_TRUNC;
  return static_cast<ssize_t>(taken);
}

ssize_t DatagramSocket::receive(msghdr& message, int flags) {
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  const size_t control_room = message.msg_control != nullptr ? message.msg_controllen : 0;
  message.msg_flags = 0;
  message.msg_controllen = 0;
  if ((flags & MSG_ERRQUEUE) != 0) return receive_error(message, control_room);
  if (error_ != 0) return -std::exchange(error_, 0);
  if (received_.empty()) {
    // One that was shut tells its end only to who would have waited.
    const bool may_wait = blocks() && (flags & MSG_DONTWAIT) == 0;
    return shut_for_receiving_ && may_wait ? 0 : -EAGAIN;
  }
  const Datagram& next = received_.front();
  const size_t size = next.bytes.size();
  const size_t taken = scatter(message.msg_iov, message.msg_iovlen, next.bytes.data(), size);
  if (message.msg_name != nullptr) {
    next.source.store(family_, static_cast<sockaddr*>(message.msg_name), &message.msg_namelen);
  }
  write_control(message, control_room, options_, family_, next);
  if (taken < size) message.msg_flags |= MSG_TRUNC;
  if ((flags & MSG_PEEK) == 0) {
    received_cost_ -= cost_of(next);
    received_.pop_front();
  }
  return static_cast<ssize_t>((flags & MSG_TRUNC) != 0 ? size : taken);
}

}  // namespace eddy::sim
