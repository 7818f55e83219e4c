#include <eddy/core/message_ring.h>
#include <errno.h>

#include <algorithm>

namespace eddy {
namespace {

constexpr size_t kCacheLine = 64;
constexpr uint32_t kLeastBytes = 512;
// What io_uring goes round with, each in pages of its own: few, so that they stay in the cache.
// More follow when they were not enough.
constexpr unsigned kGoRound = 96;
constexpr uint32_t kMostBytes = uint32_t{1} << 30;

}  // namespace

// An odd number of cache lines: pieces that lie a power of two apart would all begin in the same
// few lines of the cache.
int MessageRing::open() {
  if (is_open()) return 0;
  const size_t bytes = std::clamp(options_.message_bytes, kLeastBytes, kMostBytes);
  const size_t lines = (kMostBeforeBytes + bytes + kCacheLine - 1) / kCacheLine | 1;
  const unsigned count = std::clamp(options_.messages, 8U, 32768U);
  ring_ = BufferRing::make_pieces(kernel_, {.segment_bytes = lines * kCacheLine,
                                            .initial_segments = std::min(count, kGoRound),
                                            .max_segments = count});
  return is_open() ? 0 : -ENOMEM;
}

}  // namespace eddy
