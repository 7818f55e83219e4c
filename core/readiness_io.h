// Reading and writing by readiness: what the epoll backend does with every stream, and the io_uring
// backend with pipes and terminals. One call of the kernel each; where it would block, -EAGAIN.
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

// Reads into the room: bytes, 0 at the end of input, or a negative errno; never -EINTR.
ssize_t read_into(Turn& turn, const Slot& slot, std::span<char> room);

// Writes from the head of the queue, which it leaves as it is: bytes, or a negative errno; never
// -EINTR. `full` tells that it would block, or that TCP took less than it was given: epoll(7) lets
// that count as having met EAGAIN.
ssize_t write_from(Turn& turn, const Slot& slot, SliceQueue& queue, bool& full);

}  // namespace eddy
