// The bare io_uring echo loop: what a library's io_uring backend is measured against.
//
// One enter a turn, multishot accept and receive, direct descriptors, an incremental provided
// buffer ring. What makes it fast beyond that, measured:
// - A send is first tried with MSG_DONTWAIT and IOSQE_CQE_SKIP_SUCCESS. It is then over when the
//   enter that submitted it returns, and only a send that the socket did not take whole leaves a
//   completion. So a turn sleeps until something *arrives*, instead of being woken by its own
//   sends, the segments are free again at once, and the bytes of a stream stay in order.
// - What a stream receives in several pieces in one turn leaves with one send.
// With ordered=0 each piece is sent as it comes, several of a stream under way at a time, which is
// what many a bare loop does and may reorder a stream's bytes.
//
// A receive that finds no buffer parks until a segment comes back. Few large segments that stay in
// the second-level cache beat many: 4 of 256 KiB are near the best at every message size. What the
// loop does not do: keep one slow reader from holding every segment.
#include <bit>
#include <deque>
#include <vector>

#include "floor.h"
#include "ring.h"

namespace {

constexpr unsigned kEntries = 4096;
constexpr unsigned kBatch = kEntries / 4;  // completions a turn: each makes two entries at the most
constexpr unsigned kFiles = 16384;
constexpr unsigned kFixedBuffers = 128, kFixedSize = 16 * 1024;

enum Tag : uint8_t { kAccept, kReceive, kTry, kSend, kQuiet };

struct Options {
  unsigned segments = 4, size = 256 * 1024, ordered = 1, incremental = 1;
  unsigned over_unix = 0;
};

// What the steady state touches lies in one cache line.
struct alignas(64) Connection {
  iovec first{};         // what arrived this turn, if it is of one piece
  uint64_t turn = 0;     // in which that was; a try lasts until the next one
  bool several = false;  // it is not: `out` has all of it
  bool blocked = false;  // a send that waits for the socket is under way, and `out` is its
  bool ended = false;    // to be closed once it is not
  std::vector<iovec> out;
  std::vector<iovec> queue;  // what arrived while the send is blocked
  msghdr message{};
};

class Loop {
 public:
  explicit Loop(const Options& options);
  void run(int listener);
  floor_loop::Counts counts;

 private:
  struct Segment {
    unsigned used = 0;
    unsigned pins = 0;      // pieces of it that wait for a socket
    bool finished = false;  // the kernel will put nothing more into it
  };

  // There is always room: a turn handles kBatch completions at the most.
  io_uring_sqe* prepare(uint8_t opcode, unsigned file, Tag tag, unsigned segment = 0) {
    return ring_.prepare(opcode, file, uint64_t{segment} << 40 | uint64_t{file} << 8 | tag);
  }
  void accept_next();
  void arm(unsigned file);
  void close(unsigned file);
  void give_back(unsigned segment);
  void unpin(unsigned segment);
  void settle(unsigned head, unsigned tail);
  void dispatch(const io_uring_cqe& done);
  void accepted(const io_uring_cqe& done);
  void received(unsigned file, const io_uring_cqe& done);
  void send(unsigned file, Tag tag);
  void cancel_receive(unsigned file);
  void try_failed(unsigned file, int result);
  void sent(unsigned file, int result);
  unsigned segment_of(const iovec& piece) const {
    return static_cast<unsigned>((static_cast<char*>(piece.iov_base) - memory_) / options_.size);
  }

  Options options_;
  int listener_ = -1;
  floor_loop::Ring ring_{kEntries};
  uint64_t turn_ = 1;
  bool accepting_ = false;
  unsigned posted_ = 0;  // segments that the kernel has
  char* memory_;
  std::vector<Segment> segments_;
  std::vector<Connection> connections_;
  std::vector<unsigned> ready_;    // connections whose `out` is to be tried at the turn's end
  std::vector<unsigned> retired_;  // finished segments: free after the next enter, unless pinned
  std::vector<unsigned> ending_;   // connections to close after it
  std::deque<unsigned> parked_;    // connections whose receive found no segment
};

Loop::Loop(const Options& options) : options_(options) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  connections_.resize(std::min<size_t>(limit.rlim_cur, kFiles));
  ring_.register_files(static_cast<unsigned>(connections_.size()));
  if (!ring_.register_buffers(options_.segments, options_.incremental != 0)) {
    // Before Linux 6.12 a receive takes a whole buffer: more and smaller ones.
    options_.segments = kFixedBuffers, options_.size = kFixedSize;
    if (!ring_.register_buffers(kFixedBuffers, false)) floor_loop::die("registering buffers");
  }
  memory_ = floor_loop::map_memory(size_t{options_.segments} * options_.size);
  segments_.resize(options_.segments);
  for (unsigned i = 0; i < options_.segments; ++i) give_back(i);
}

void Loop::accept_next() {
  io_uring_sqe* entry = prepare(IORING_OP_ACCEPT, static_cast<unsigned>(listener_), kAccept);
  entry->flags = 0;
  entry->ioprio = IORING_ACCEPT_MULTISHOT;
  entry->file_index = IORING_FILE_INDEX_ALLOC;
  accepting_ = true;
}

void Loop::arm(unsigned file) {
  io_uring_sqe* entry = prepare(IORING_OP_RECV, file, kReceive);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->ioprio = IORING_RECV_MULTISHOT;
}

void Loop::close(unsigned file) {
  io_uring_sqe* entry = prepare(IORING_OP_CLOSE, 0, kQuiet);
  entry->flags = IOSQE_CQE_SKIP_SUCCESS;
  entry->file_index = file + 1;
  if (!accepting_) accept_next();
}

void Loop::give_back(unsigned segment) {
  segments_[segment] = {.used = 0, .pins = 0, .finished = false};
  ring_.give_buffer(memory_ + size_t{segment} * options_.size, options_.size, segment);
  ++posted_;
}

void Loop::unpin(unsigned segment) {
  if (--segments_[segment].pins == 0 && segments_[segment].finished) give_back(segment);
}

void Loop::send(unsigned file, Tag tag) {
  Connection& c = connections_[file];
  io_uring_sqe* entry = prepare(IORING_OP_SEND, file, tag);
  entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL | (tag == kTry ? MSG_DONTWAIT : 0);
  if (tag == kTry) entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
  if (c.several) {
    c.message.msg_iov = c.out.data();
    c.message.msg_iovlen = c.out.size();
    entry->opcode = IORING_OP_SENDMSG;
    entry->addr = reinterpret_cast<uint64_t>(&c.message);
    entry->len = 1;
  } else {
    entry->addr = reinterpret_cast<uint64_t>(c.first.iov_base);
    entry->len = static_cast<uint32_t>(c.first.iov_len);
  }
}

void Loop::received(unsigned file, const io_uring_cqe& done) {
  if (done.res == -ENOBUFS) return parked_.push_back(file);
  if (done.res <= 0) return ending_.push_back(file);
  ++counts.receives;
  const auto size = static_cast<unsigned>(done.res);
  counts.bytes += size;
  const unsigned id = done.flags >> IORING_CQE_BUFFER_SHIFT;
  Segment& segment = segments_[id];
  const iovec piece{memory_ + size_t{id} * options_.size + segment.used, size};
  segment.used += size;
  if ((done.flags & floor_loop::kCompletionBufferMore) == 0) {
    segment.finished = true;
    --posted_;
    retired_.push_back(id);
  }
  if ((done.flags & IORING_CQE_F_MORE) == 0) arm(file);
  Connection& c = connections_[file];
  if (options_.ordered == 0) {
    ++segment.pins;
    io_uring_sqe* entry = prepare(IORING_OP_SEND, file, kSend, id);
    entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    entry->addr = reinterpret_cast<uint64_t>(piece.iov_base);
    entry->len = size;
  } else if (c.blocked) {
    ++segment.pins;
    c.queue.push_back(piece);
  } else if (c.turn != turn_) {
    c.turn = turn_;
    c.first = piece;
    c.several = false;
    ready_.push_back(file);
  } else if (iovec& last = c.several ? c.out.back() : c.first;
             static_cast<char*>(last.iov_base) + last.iov_len == piece.iov_base &&
             segment_of(last) == id) {
    last.iov_len += size;
  } else {
    if (!c.several) c.out.assign(1, c.first);
    c.several = true;
    c.out.push_back(piece);
  }
}

// For a socket that cannot send: its receive ends, and that closes it. IORING_OP_SHUTDOWN is no way
// to do it, since it runs on a worker thread and may find the descriptor's next owner there.
void Loop::cancel_receive(unsigned file) {
  io_uring_sqe* entry = prepare(IORING_OP_ASYNC_CANCEL, 0, kQuiet);
  entry->flags = 0;
  entry->addr = uint64_t{file} << 8 | kReceive;
}

// The socket took nothing, or a part: the rest is pinned and waits for it.
void Loop::try_failed(unsigned file, int result) {
  Connection& c = connections_[file];
  if (result < 0 && result != -EAGAIN) return cancel_receive(file);
  size_t skip = result > 0 ? static_cast<size_t>(result) : 0;
  if (!c.several) c.out.assign(1, c.first);
  std::vector<iovec> rest;
  for (const iovec& piece : c.out) {
    const size_t gone = std::min(skip, piece.iov_len);
    skip -= gone;
    if (gone == piece.iov_len) continue;
    rest.push_back({static_cast<char*>(piece.iov_base) + gone, piece.iov_len - gone});
    ++segments_[segment_of(rest.back())].pins;
  }
  c.out = std::move(rest);
  c.several = c.blocked = true;
  send(file, kSend);
}

void Loop::sent(unsigned file, int result) {
  Connection& c = connections_[file];
  if (result < 0) cancel_receive(file);
  for (const iovec& piece : c.out) unpin(segment_of(piece));
  c.out.clear();
  c.out.swap(c.queue);
  c.blocked = !c.out.empty();
  if (c.blocked) {
    send(file, kSend);
  } else if (c.ended) {
    close(file);
  }
}

// The enter that has returned ended every try. Those that failed are looked at before anything
// that arrived, for the order of the bytes, and before the memory that they carry is given back.
void Loop::settle(unsigned head, unsigned tail) {
  for (; head != tail; ++head) {
    io_uring_cqe& done = ring_.completion(head);
    if ((done.user_data & 0xff) != kTry) continue;
    try_failed(static_cast<uint32_t>(done.user_data) >> 8, done.res);
    done.user_data = kQuiet;
  }
  for (const unsigned segment : retired_) {
    if (segments_[segment].pins == 0) give_back(segment);
  }
  retired_.clear();
  for (const unsigned file : ending_) {
    connections_[file].ended = true;
    if (!connections_[file].blocked) close(file);
  }
  ending_.clear();
}

void Loop::accepted(const io_uring_cqe& done) {
  if (done.res >= 0) {
    connections_[static_cast<unsigned>(done.res)] = {};
    arm(static_cast<unsigned>(done.res));
  }
  if (done.flags & IORING_CQE_F_MORE) return;
  accepting_ = false;  // with the table full, until a connection closes
  if (done.res >= 0 || done.res == -ECONNABORTED) accept_next();
}

void Loop::dispatch(const io_uring_cqe& done) {
  const auto file = static_cast<uint32_t>(done.user_data) >> 8;
  switch (done.user_data & 0xff) {
    case kAccept: return accepted(done);
    case kReceive: return received(file, done);
    case kSend:
      if (options_.ordered) return sent(file, done.res);
      return unpin(static_cast<unsigned>(done.user_data >> 40));
    default: return;
  }
}

void Loop::run(int listener) {
  listener_ = listener;
  accept_next();
  floor_loop::announce();
  while (!floor_loop::stopped) {
    // Segments come back and connections close once the sends of this very enter are over, so
    // where someone waits for that, it must not sleep.
    const bool awaited =
        !ending_.empty() || (!parked_.empty() && (posted_ > 0 || !retired_.empty()));
    ring_.enter(awaited ? 0 : 1);
    ++counts.syscalls;
    ++turn_;
    unsigned head = ring_.head();
    const unsigned tail = ring_.tail();
    settle(head, tail);
    for (unsigned n = 0; head != tail && n < kBatch; ++n) dispatch(ring_.completion(head++));
    ring_.consume(head);
    for (const unsigned file : ready_) send(file, kTry);
    ready_.clear();
    // As many as there are segments: with all of them, most would come back empty-handed.
    for (size_t n = std::min<size_t>(posted_, parked_.size()); n > 0; --n) {
      arm(parked_.front());
      parked_.pop_front();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const uint16_t port = floor_loop::parse_arguments(argc, argv,
                                                    {{"segments", &options.segments},
                                                     {"size", &options.size},
                                                     {"ordered", &options.ordered},
                                                     {"incremental", &options.incremental},
                                                     {"unix", &options.over_unix}});
  if (options.size == 0 || std::popcount(options.segments) != 1 || options.segments > 32768) {
    floor_loop::usage(argv[0], "segments must be a power of two up to 32768, size not 0", "");
  }
  floor_loop::prepare_process();
  Loop loop(options);
  loop.run(options.over_unix ? floor_loop::listen_on_name(port)
                             : floor_loop::listen_on_loopback(port));
  floor_loop::print(loop.counts);
}
