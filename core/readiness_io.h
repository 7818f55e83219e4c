// Reading and writing by readiness: what the epoll backend does with every stream, and the io_uring
// backend with pipes and terminals, and where descriptors are passed. One call of the kernel each;
// where it would block, -EAGAIN.
#pragma once

#include <eddy/core/buffer_ring.h>
#include <eddy/core/turn.h>

namespace eddy {

// The room that is worth a read: less of it, and another segment is begun.
inline constexpr size_t kLeastReadRoom = 16 * 1024;
// What one send takes from the queue at the most.
inline constexpr size_t kMostBytesPerSend = 512 * 1024;
inline constexpr int kMostPiecesPerSend = 64;

// Interest as poll(2)'s bits, and what poll reported as readiness. epoll's bits have the same
// values.
uint32_t to_poll_events(Interest interest);
Interest from_poll_events(uint32_t events);

// Reads into the room: bytes, 0 at the end of input, or a negative errno; never -EINTR. Descriptors
// that came along are given to the slot; where it closes upon that, the bytes are dropped, and it
// is -EAGAIN. `in_parts`: what is read has bounds that a read does not cross, so that a short one
// does not mean empty: a terminal's lines, messages of a pipe with O_DIRECT (pipe(2)), bytes that
// came with descriptors (unix(7), SCM_RIGHTS).
ssize_t read_into(Turn& turn, Slot& slot, std::span<char> room, bool& in_parts);

// Writes from the head of the queue, which it leaves as it is: bytes, or a negative errno; never
// -EINTR. `full` tells that it would block, or that TCP took less than it was given: epoll(7) lets
// that count as having met EAGAIN. `flags`: MSG_ZEROCOPY, of a socket on which nothing goes along.
ssize_t write_from(Turn& turn, Slot& slot, SliceQueue& queue, bool& full, int flags = 0);

}  // namespace eddy
