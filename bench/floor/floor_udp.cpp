// The bare UDP echo loop: a batch of datagrams is received with one call and sent back with one.
//
// It waits in recvmmsg itself, which is the least there can be for one socket (MSG_WAITFORONE,
// recvmmsg(2)); with epoll=1 it waits in epoll_wait, as a loop does that has more than one. With
// segments=1 datagrams of one sender that arrived together come as one and go back as one (UDP_GRO
// and UDP_SEGMENT, udp(7)).
#include <netinet/udp.h>
#include <sys/epoll.h>

#include <memory>

#include "floor.h"

namespace {

constexpr unsigned kDatagram = 2048, kSegments = 64 * 1024;  // places for one, for many

struct Options {
  unsigned batch = 64, waits_in_epoll = 0, segments = 0;
};

// A message's place in a batch: received into, and sent from again.
struct Place {
  sockaddr_in source;
  iovec bytes;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

class Loop {
 public:
  Loop(int fd, const Options& options);
  void run();
  floor_loop::Counts counts;

 private:
  bool wait();
  void echo();
  void make_answer(msghdr& message, unsigned size);
  void prepare(msghdr& message);

  int fd_;
  Options options_;
  unsigned place_size_;
  int epoll_ = -1;
  std::unique_ptr<char[]> memory_;
  std::unique_ptr<Place[]> places_;
  std::unique_ptr<mmsghdr[]> messages_;
};

Loop::Loop(int fd, const Options& options)
    : fd_(fd),
      options_(options),
      place_size_(options.segments ? kSegments : kDatagram),
      memory_(new char[size_t{options.batch} * place_size_]),
      places_(new Place[options.batch]),
      messages_(new mmsghdr[options.batch]) {
  for (unsigned i = 0; i < options.batch; ++i) {
    Place& place = places_[i];
    place.bytes.iov_base = memory_.get() + size_t{i} * place_size_;
    messages_[i] = {};
    msghdr& message = messages_[i].msg_hdr;
    message.msg_name = &place.source;
    message.msg_namelen = sizeof place.source;  // written back the same for every IPv4 source
    message.msg_iov = &place.bytes;
    message.msg_iovlen = 1;
    if (options.segments) message.msg_control = place.control;
    prepare(message);
  }
  if (!options.waits_in_epoll) return;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Loop::prepare(msghdr& message) {
  message.msg_iov->iov_len = place_size_;
  if (options_.segments) message.msg_controllen = sizeof(Place::control);
}

void Loop::make_answer(msghdr& message, unsigned size) {
  message.msg_iov->iov_len = size;
  counts.bytes += size;
  if (message.msg_controllen == 0) return;
  cmsghdr* segment = CMSG_FIRSTHDR(&message);
  int length = 0;
  std::memcpy(&length, CMSG_DATA(segment), sizeof length);
  const auto segment_size = static_cast<uint16_t>(length);
  segment->cmsg_type = UDP_SEGMENT;
  segment->cmsg_len = CMSG_LEN(sizeof segment_size);
  std::memcpy(CMSG_DATA(segment), &segment_size, sizeof segment_size);
  message.msg_controllen = CMSG_SPACE(sizeof segment_size);
}

void Loop::echo() {
  const int flags = epoll_ < 0 ? MSG_WAITFORONE : MSG_DONTWAIT;
  ++counts.syscalls;
  const int n = recvmmsg(fd_, messages_.get(), options_.batch, flags, nullptr);
  if (n <= 0) return;
  for (int i = 0; i < n; ++i) make_answer(messages_[i].msg_hdr, messages_[i].msg_len);
  counts.receives += static_cast<uint64_t>(n);
  for (int sent = 0; sent < n;) {
    ++counts.syscalls;
    const int now = sendmmsg(fd_, messages_.get() + sent, static_cast<unsigned>(n - sent), 0);
    sent += now > 0 ? now : 1;  // what cannot be sent is dropped
  }
  for (int i = 0; i < n; ++i) prepare(messages_[i].msg_hdr);
}

bool Loop::wait() {
  if (epoll_ < 0) return true;
  epoll_event event;
  ++counts.syscalls;
  return epoll_wait(epoll_, &event, 1, -1) > 0;
}

void Loop::run() {
  floor_loop::announce();
  while (!floor_loop::stopped) {
    if (wait()) echo();
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const uint16_t port = floor_loop::parse_arguments(argc, argv,
                                                    {{"batch", &options.batch},
                                                     {"epoll", &options.waits_in_epoll},
                                                     {"segments", &options.segments}});
  if (options.batch == 0 || options.batch > 1024) {
    floor_loop::usage(argv[0], "batch must be 1 to 1024", "");
  }
  floor_loop::prepare_process();
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  if (options.segments && setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof one) != 0) {
    floor_loop::die("setsockopt UDP_GRO");
  }
  const sockaddr_in address = floor_loop::loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    floor_loop::die("bind");
  }
  Loop loop(fd, options);
  loop.run();
  floor_loop::print(loop.counts);
}
