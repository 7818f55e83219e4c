// Datagrams in batches. What a batch's answers make room for leaves with one call: the kernel cuts
// it into datagrams (UDP_SEGMENT, udp(7)), which costs this side less than a call of sendmmsg and
// gives the server the same datagrams, all at once.
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "endpoint.h"
#include "modes.h"
#include "pattern.h"
#include "window.h"

namespace bench {
namespace {

constexpr size_t kBatch = 64;  // of datagrams in one call: UDP_MAX_SEGMENTS of older kernels
constexpr size_t kMostBytes = 65'000;        // in one call: a UDP datagram's limit is the batch's
constexpr uint64_t kGiveUpNs = 200'000'000;  // what is not answered by then is lost
constexpr uint64_t kSweepNs = 50'000'000;

// At the start of every datagram.
struct Header {
  uint32_t slot;
  uint32_t serial;
};

struct Slot {
  uint32_t serial = 0;
  uint32_t given_up = 0;  // earlier serials whose answers may still come
  uint64_t sent_ns = 0;
  bool waits = false;
};

struct Socket {
  int fd = -1;
  std::vector<Slot> slots;
  std::vector<uint32_t> free;  // slots to send from
};

class DatagramEcho {
 public:
  explicit DatagramEcho(const Options& options);
  void run();

 private:
  void turn(int timeout_ms);
  void receive_batch(size_t i);
  void answered(size_t i, const char* data, size_t size);
  void send_free(size_t i);
  void send_batch(size_t i, size_t count);
  void give_up_old(uint64_t now);
  void drain();
  uint32_t phase(size_t i, uint32_t slot) const { return phase_of(i * options_.depth + slot); }

  const Options& options_;
  const size_t size_;
  const size_t batch_;
  Window window_;
  Pattern pattern_;
  std::vector<Socket> sockets_;
  std::vector<char> output_;
  std::vector<char> input_;
  std::vector<iovec> places_;
  std::vector<mmsghdr> messages_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  uint64_t next_sweep_ = 0;
  bool draining_ = false;
};

DatagramEcho::DatagramEcho(const Options& options)
    : options_(options),
      size_(options.size),
      batch_(std::min(kBatch, kMostBytes / std::max<size_t>(options.size, 1))),
      window_(options),
      pattern_(options.size),
      output_(kBatch * size_),
      input_(kBatch * (size_ + 1)),  // one more, to see what is too long
      places_(kBatch),
      messages_(kBatch) {
  if (size_ < sizeof(Header) || batch_ == 0) {
    fail("datagrams have 8 to 65000 bytes, not " + std::to_string(size_));
  }
  for (size_t k = 0; k < kBatch; ++k) {
    places_[k] = {.iov_base = input_.data() + k * (size_ + 1), .iov_len = size_ + 1};
    messages_[k].msg_hdr.msg_iov = &places_[k];
    messages_[k].msg_hdr.msg_iovlen = 1;
  }
  const Endpoint server = endpoint_of(options);
  sockets_.resize(static_cast<size_t>(options.conns));
  for (size_t i = 0; i < sockets_.size(); ++i) {
    Socket& s = sockets_[i];
    s.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s.fd < 0 || connect(s.fd, &server.any, server.size) != 0) fail_errno("UDP socket");
    s.slots.resize(options.depth);
    for (uint32_t slot = 0; slot < options.depth; ++slot) s.free.push_back(slot);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, s.fd, &event);
  }
}

void DatagramEcho::send_batch(size_t i, size_t count) {
  Socket& s = sockets_[i];
  const uint64_t now = now_ns();
  for (size_t k = 0; k < count; ++k) {
    const uint32_t index = s.free.back();
    s.free.pop_back();
    Slot& slot = s.slots[index];
    slot.sent_ns = now;
    slot.waits = true;
    const Header header{.slot = index, .serial = ++slot.serial};
    char* place = output_.data() + k * size_;
    std::memcpy(place, &header, sizeof header);
    std::memcpy(place + sizeof header, pattern_.at(phase(i, index)), size_ - sizeof header);
  }
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))]{};
  iovec bytes{.iov_base = output_.data(), .iov_len = count * size_};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (count > 1) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* segment = CMSG_FIRSTHDR(&message);
    segment->cmsg_level = SOL_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto segment_size = static_cast<uint16_t>(size_);
    std::memcpy(CMSG_DATA(segment), &segment_size, sizeof segment_size);
  }
  if (sendmsg(s.fd, &message, 0) < 0) fail_errno("send of datagrams");
}

void DatagramEcho::send_free(size_t i) {
  if (draining_) return;
  std::vector<uint32_t>& free = sockets_[i].free;
  while (!free.empty()) send_batch(i, std::min(batch_, free.size()));
}

void DatagramEcho::answered(size_t i, const char* data, size_t size) {
  Socket& s = sockets_[i];
  Header header{};
  if (size >= sizeof header) std::memcpy(&header, data, sizeof header);
  if (size != size_ || header.slot >= s.slots.size()) fail("the server sent a datagram of its own");
  Slot& slot = s.slots[header.slot];
  if (!slot.waits || header.serial != slot.serial) {
    if (slot.given_up == 0) fail("the server answered twice");
    --slot.given_up;
    return;
  }
  if (!pattern_.holds(phase(i, header.slot), data + sizeof header, size - sizeof header)) {
    fail("the server sent back other bytes than it was sent");
  }
  slot.waits = false;
  s.free.push_back(header.slot);
  window_.bytes += size;
  window_.latency.record(now_ns() - slot.sent_ns);
}

void DatagramEcho::receive_batch(size_t i) {
  const int n = recvmmsg(sockets_[i].fd, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (n < 0 && errno != EAGAIN && errno != EINTR) fail_errno("receive");
  for (int k = 0; k < n; ++k) {
    const mmsghdr& message = messages_[static_cast<size_t>(k)];
    answered(i, static_cast<const char*>(message.msg_hdr.msg_iov->iov_base), message.msg_len);
  }
  send_free(i);
}

void DatagramEcho::give_up_old(uint64_t now) {
  for (size_t i = 0; i < sockets_.size(); ++i) {
    Socket& s = sockets_[i];
    for (uint32_t index = 0; index < s.slots.size(); ++index) {
      Slot& slot = s.slots[index];
      if (!slot.waits || now - slot.sent_ns < kGiveUpNs) continue;
      slot.waits = false;
      ++slot.given_up;
      s.free.push_back(index);
      ++window_.lost;
    }
    send_free(i);
  }
}

void DatagramEcho::turn(int timeout_ms) {
  epoll_event events[512];
  const int n = epoll_wait(epoll_, events, 512, std::min(timeout_ms, 50));
  for (int k = 0; k < n; ++k) receive_batch(events[k].data.u64);
  if (const uint64_t now = now_ns(); now >= next_sweep_) {
    next_sweep_ = now + kSweepNs;
    give_up_old(now);
  }
}

void DatagramEcho::drain() {
  draining_ = true;
  const auto all_free = [this] {
    for (const Socket& s : sockets_) {
      if (s.free.size() < s.slots.size()) return false;
    }
    return true;
  };
  while (!all_free()) turn(50);  // what does not come is given up
}

void DatagramEcho::run() {
  for (size_t i = 0; i < sockets_.size(); ++i) send_free(i);
  window_.run([this](int timeout_ms) { turn(timeout_ms); });
  drain();
  window_.print();
}

}  // namespace

void echo_datagrams(const Options& options) { DatagramEcho(options).run(); }

}  // namespace bench
