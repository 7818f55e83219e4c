// The memory that the kernel fills and sends.
//
// What it is: a reactor's segments, few and large (2 of 512 KiB, more as needed up to a limit). A
// segment is filled from its start to its end, a message at a time, so 64 bytes take 64 bytes; each
// message is a Slice that counts on its segment. A segment that is full, and whose last Slice has
// gone, is free and is filled again.
//
// It is filled in two ways:
//  - by hand (the epoll backend, pipes, and what `Stream::reserve` writes): a SegmentCursor gives
//    room and takes back how much was filled. A cursor's segment whose last Slice has gone is
//    rewound, so the next message finds hot memory.
//  - by the kernel (io_uring's provided buffer rings): the backend takes free segments with `take`
//    and hands them over; completions come back as `fill`.
//
// Ownership: the reactor owns the ring; a Slice that outlives the ring keeps the memory until it
// has gone. Threads: the reactor's alone. Source: io_uring_setup_buf_ring(3), IOU_PBUF_RING_INC.
#pragma once

#include <eddy/core/slice.h>
#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

namespace eddy {

class Kernel;

// What is out of range is brought into it.
struct BufferRingOptions {
  size_t segment_bytes = 512 * 1024;  // a power of two, 4 KiB to 1 GiB
  unsigned initial_segments =
      2;  // what io_uring goes round with: few, so that they stay in the cache
  // At most 32768; beyond it, a connection waits for a segment to come back. A reactor has 2 at the
  // least, to read into and for `Stream::reserve`, and with io_uring a third, which the kernel
  // fills: with fewer, one of them could keep the others waiting for ever.
  unsigned max_segments = 32;

  BufferRingOptions in_range() const;
};

class BufferRing;

struct Segment : SliceOwner {
  enum class State : uint8_t { kFree, kFilling, kFull };
  char* base = nullptr;
  uint32_t size = 0;
  uint32_t filled = 0;
  uint16_t id = 0;
  State state = State::kFree;
  bool rewinds = false;  // filled by hand: starts again at 0 as soon as nothing refers to it
  BufferRing* ring = nullptr;
};

class BufferRing {
 public:
  struct Deleter {
    void operator()(BufferRing* ring) const { ring->orphan(); }
  };
  using Owner = std::unique_ptr<BufferRing, Deleter>;

  // nullptr when the memory's address range cannot be had (ENOMEM). Options out of range are
  // brought into it.
  static Owner make(Kernel& kernel, const BufferRingOptions& wanted);
  // Segments of exactly this size, for what takes a whole one each time (core/message_ring.h);
  // not to be trimmed. The options are taken as they are.
  static Owner make_pieces(Kernel& kernel, const BufferRingOptions& options);

  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  // A free segment to fill, or nullptr when the limit is reached. The most recently freed one: its
  // memory is hot. `by_hand`: it is rewound whenever nothing refers to it.
  Segment* take(bool by_hand);
  // `count` more bytes of the segment are filled: the Slice over them. When `last`, nothing more
  // will be filled.
  Slice fill(Segment& segment, size_t count, bool last) {
    Slice slice(&segment, segment.base + segment.filled, count);
    mark_filled(segment, slice);
    segment.filled += static_cast<uint32_t>(count);
    if (last) segment.state = Segment::State::kFull;
    return slice;
  }
  // The filler gives a segment up: it is free now, or when its last Slice has gone.
  void finish(Segment& segment);

  Segment& segment(uint16_t id) { return segments_[id]; }
  const BufferRingOptions& options() const { return options_; }

  // The slice lies in this ring's memory.
  bool owns(const Slice& slice) const {
    return slice.data() >= memory_ &&
           slice.data() < memory_ + options_.segment_bytes * options_.max_segments;
  }
  bool has_free() const { return !free_.empty() || untouched_ < options_.max_segments; }
  // Segments that are being filled, or are full and still referred to.
  unsigned in_use() const { return in_use_; }
  // Of these, those that were not taken by hand.
  unsigned in_use_by_kernel() const { return in_use_by_kernel_; }
  // Bytes of memory of segments that are full and wait for their last Slice.
  size_t pinned_bytes() const;

  // Segments beyond `initial_segments` have come back since the last trim.
  bool has_grown() const { return has_grown_; }
  // Gives the pages of free segments beyond the first `initial_segments` back to the system.
  void trim();

 private:
  BufferRing(Kernel& kernel, const BufferRingOptions& options)
      : kernel_(kernel), options_(options) {}
  ~BufferRing();
  void orphan();
  void became_free(Segment& segment);
  void release_to_free(Segment& segment);
  static void mark_filled(Segment& segment, const Slice& slice);

  Kernel& kernel_;
  BufferRingOptions options_;
  char* memory_ = nullptr;
  std::vector<Segment> segments_;
  std::vector<uint16_t> free_;
  unsigned untouched_ = 0;  // segments from here on were never used
  unsigned in_use_ = 0;
  unsigned in_use_by_kernel_ = 0;
  bool has_grown_ = false;
  bool orphaned_ = false;
};

// A place in a BufferRing where bytes are put by hand.
class SegmentCursor {
 public:
  explicit SegmentCursor(BufferRing& ring) : ring_(ring) {}
  ~SegmentCursor() {
    if (segment_ != nullptr) ring_.finish(*segment_);
  }
  SegmentCursor(const SegmentCursor&) = delete;
  SegmentCursor& operator=(const SegmentCursor&) = delete;

  // Room for at least `least` bytes (at most a segment's size), contiguous; empty when the ring is
  // exhausted.
  std::span<char> room(size_t least) {
    if (!fits(least) && !advance()) return {};
    return {segment_->base + segment_->filled, segment_->size - segment_->filled};
  }
  // room(least) would not be empty.
  bool has_room(size_t least) const { return fits(least) || ring_.has_free(); }
  // The first `count` bytes of the room given last are filled.
  Slice fill(size_t count) { return ring_.fill(*segment_, count, false); }

 private:
  // Nobody can have more than a whole segment.
  bool fits(size_t least) const {
    if (segment_ == nullptr) return false;
    return segment_->size - segment_->filled >= std::min<size_t>(least, segment_->size);
  }
  bool advance();
  BufferRing& ring_;
  Segment* segment_ = nullptr;
};

}  // namespace eddy
