#include <eddy/core/kernel.h>
#include <eddy/net/datagram_internal.h>
#include <errno.h>
#include <string.h>

#include <algorithm>
#include <array>

namespace eddy {
namespace {

constexpr size_t kBatch = 64;
// What one socket may send before the others have their turn.
constexpr int kSendBudgetBatches = 16;
// Datagrams to one destination leave as segments of one message (UDP_SEGMENT, udp(7)): as many as
// every kernel that has it takes, and of a size that every path carries (RFC 8200, section 5).
constexpr size_t kMostSegments = 64;
constexpr size_t kMostSegmentBytes = 1200;
constexpr size_t kMostJoinedBytes = 65000;
// A Unix socket that is not connected is told nothing when its receiver has room again: it tries.
constexpr std::chrono::milliseconds kFirstRetry(1);
constexpr std::chrono::milliseconds kLongestRetry(50);

// What a device without checksums, a tunnel, or a socket without them answers to segments.
bool refuses_segments(int error) {
  return error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP;
}

// One call of sendmmsg(2), and what its headers point to.
struct SendBatch {
  struct alignas(cmsghdr) Control {
    char bytes[kSendControlBytes];
  };
  std::array<mmsghdr, kBatch> headers;
  std::array<iovec, kBatch> pieces;  // the n-th of the n-th datagram in the queue
  std::array<Control, kBatch> controls;
  unsigned messages = 0;

  void add(DatagramQueue& queue, size_t at, size_t length, int family);
  size_t datagrams(unsigned of_messages) const;
};

void SendBatch::add(DatagramQueue& queue, size_t at, size_t length, int family) {
  const OutgoingDatagram& first = queue.at(at);
  const Address& destination = first.destination;
  msghdr& header = headers[messages].msg_hdr;
  const bool is_connected = destination.size() == 0;
  header.msg_name = is_connected ? nullptr : const_cast<sockaddr*>(destination.data());  // NOLINT
  header.msg_namelen = destination.size();
  header.msg_iov = &pieces[at];
  header.msg_iovlen = length;
  for (size_t i = at; i < at + length; ++i) {
    const Slice& bytes = queue.at(i).bytes;
    pieces[i] = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: iovec's type
  }
  header.msg_control = nullptr;
  header.msg_controllen = 0;
  header.msg_flags = 0;
  if (first.has_control || length > 1) {
    SendControl control = first.has_control ? first.control : SendControl();
    if (length > 1) control.segment_bytes = static_cast<uint16_t>(first.bytes.size());
    header.msg_control = controls[messages].bytes;
    header.msg_controllen = write_control(control, family, destination, controls[messages].bytes);
  }
  ++messages;
}

size_t SendBatch::datagrams(unsigned of_messages) const {
  size_t count = 0;
  for (unsigned i = 0; i < of_messages; ++i) count += headers[i].msg_hdr.msg_iovlen;
  return count;
}

}  // namespace

void DatagramQueue::grow() {
  constexpr size_t kFirst = 16;
  std::vector<OutgoingDatagram> larger(std::max(kFirst, 2 * places_.size()));
  for (size_t i = 0; i < count_; ++i) larger[i] = std::move(at(i));
  places_ = std::move(larger);
  head_ = 0;
}

bool DatagramSlot::send(Slice&& bytes, const Address* destination, const DatagramSend* how) {
  if (!accepts_calls()) return false;
  const bool is_full =
      queue_.size() >= options_.send_queue_datagrams ||
      (!queue_.empty() && queue_.bytes() + bytes.size() > options_.send_queue_bytes);
  if (is_full) {
    ++stats_.refused;
    set(kRefused);
    return false;
  }
  try {
    OutgoingDatagram& place = queue_.push(bytes.size());
    place.bytes.swap(bytes);  // a free place's is empty
    if (destination != nullptr) [[likely]] {
      place.destination = *destination;
    } else {
      place.destination = Address();
    }
    place.has_control = how != nullptr;
    if (how != nullptr) place.control = SendControl(*how);
  } catch (const std::bad_alloc&) {
    ++stats_.refused;
    return false;
  }
  reactor_.turn().want_flush(*this);
  return true;
}

// What came from a stream, and waits here for a receiver that takes its time.
void DatagramSlot::relocate(bool /*all*/) {
  for (size_t i = 0; i < queue_.size(); ++i) {
    Slice& bytes = queue_.at(i).bytes;
    if (!reactor_.turn().ring.owns(bytes)) continue;
    try {
      bytes = Slice::copy_of(bytes.view());
      reactor_.turn().counters.relocated_bytes += bytes.size();
    } catch (const std::bad_alloc&) {
      return;  // it stays in the ring
    }
  }
}

void DatagramSlot::start_sending() {
  if (has(kBlocked | kDeferred)) return;
  for (int batches = 0; !queue_.empty() && !has(kBlocked) && !closing; ++batches) {
    // on_drain may queue more each time, and the kernel may take it as fast.
    if (batches == kSendBudgetBatches) return go_on_next_turn();
    // What failed is tried again by itself.
    const int result = send_batch(tried_error_ == 0 ? kBatch : 1);
    if (result == -EINTR) continue;
    if (result == -EAGAIN) {
      block();
    } else if (result < 0) {
      send_failed(-result);
    } else {
      sent(static_cast<size_t>(result));
    }
  }
}

// How many datagrams, from one on, leave as one message: of one destination and one length, but for
// the last, which may be shorter.
size_t DatagramSlot::run_length(size_t begin, size_t end) {
  const OutgoingDatagram& first = queue_.at(begin);
  const size_t size = first.bytes.size();
  if (!joins_ || first.has_control || size == 0 || size > kMostSegmentBytes) return 1;
  end = std::min(end, begin + std::min(kMostSegments, kMostJoinedBytes / size));
  size_t at = begin + 1;
  for (bool is_last = false; at < end && !is_last; ++at) {
    const OutgoingDatagram& next = queue_.at(at);
    const size_t next_size = next.bytes.size();
    if (next.has_control || next_size == 0 || next_size > size) break;
    if (next.destination != first.destination) break;
    is_last = next_size < size;
  }
  return at - begin;
}

// How many datagrams left; or a negative errno.
int DatagramSlot::send_batch(size_t most) {
  SendBatch batch;
  const size_t count = std::min(queue_.size(), most);
  for (size_t at = 0; at < count;) {
    const size_t length = run_length(at, count);
    batch.add(queue_, at, length, family_);
    at += length;
  }
  ++reactor_.turn().counters.system_calls;
  const int result = reactor_.kernel().sendmmsg(fd, batch.headers.data(), batch.messages,
                                                MSG_DONTWAIT | MSG_NOSIGNAL);
  if (result >= 0) return static_cast<int>(batch.datagrams(static_cast<unsigned>(result)));
  if (batch.datagrams(1) > 1 && refuses_segments(-result)) {
    joins_ = false;
    return -EINTR;  // once more, one by one
  }
  return result;
}

void DatagramSlot::sent(size_t count) {
  retry_delay_ = {};
  stats_.sent += count;
  for (size_t i = 0; i < count; ++i) {
    reactor_.turn().counters.bytes_sent += queue_.at(0).bytes.size();
    queue_.pop();
  }
  // It failed, and then it did not: the error was one that the socket had kept.
  if (const int kept = std::exchange(tried_error_, 0); kept != 0) tell_kept_errors(kept);
  const bool has_room = queue_.size() <= options_.send_queue_datagrams / 2 &&
                        queue_.bytes() <= options_.send_queue_bytes / 2;
  if (!has(kRefused) || !has_room || closing) return;
  clear(kRefused);
  if (!options_.on_drain || has(kMute | kClosing)) return;
  Datagram self = handle();
  options_.on_drain(self);
}

// Of the datagram, or one that an ICMP message had left with the socket (udp(7)): a second try
// tells.
void DatagramSlot::send_failed(int error) {
  if (family_ == AF_UNIX) return drop_head(error);
  const int before = std::exchange(tried_error_, error);
  if (before == 0) return;
  tried_error_ = 0;
  if (before != error) tell_kept_errors(before);
  if (!closing) drop_head(error);
}

void DatagramSlot::drop_head(int error) {
  DatagramError told = {
      .code = errno_code(error), .is_of_send = true, .destination = queue_.at(0).destination};
  queue_.pop();
  DatagramError kept;  // this machine may have told more of it there
  while (options_.error_details && !closing && read_kept_error(reactor_.kernel(), fd, kept)) {
    if (kept.code == told.code) {
      told.mtu = kept.mtu;
    } else {
      report(kept);
    }
    kept = {};
  }
  report(told);
}

void DatagramSlot::block() {
  set(kBlocked);
  const bool is_told = family_ != AF_UNIX || queue_.at(0).destination.size() == 0;
  if (is_told) return reactor_.operations().await_room(*this, Found::kNone);
  retry_delay_ = std::clamp<std::chrono::nanoseconds>(2 * retry_delay_, kFirstRetry, kLongestRetry);
  retry_timer_ = reactor_.start_timer(retry_delay_, [this] { on_room(); });
  if (!retry_timer_) go_on_next_turn();
}

void DatagramSlot::on_room() {
  clear(kBlocked);
  reactor_.turn().want_flush(*this);
}

void DatagramSlot::go_on_next_turn() {
  const SocketId name = id();
  const bool deferred = reactor_.defer([name] {
    auto& slot = static_cast<DatagramSlot&>(*name.slot());
    if (!name.names(slot) || slot.closing) return;
    slot.clear(kDeferred | kBlocked);
    slot.reactor_.turn().want_flush(slot);
  });
  if (!deferred) return end(errno_code(ENOMEM));  // it would wait for ever
  set(kDeferred);
}

}  // namespace eddy
