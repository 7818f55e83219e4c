#include <eddy/core/buffer_ring.h>
#include <eddy/core/canary.h>
#include <eddy/core/kernel.h>
#include <eddy/core/poison.h>

#include <algorithm>
#include <bit>

namespace eddy {

BufferRingOptions BufferRingOptions::in_range() const {
  BufferRingOptions options;
  options.segment_bytes =
      std::bit_ceil(std::clamp<size_t>(segment_bytes, size_t{4} << 10, size_t{1} << 30));
  options.max_segments = std::clamp(max_segments, 1U, 32768U);
  options.initial_segments = std::clamp(initial_segments, 1U, options.max_segments);
  return options;
}

BufferRing::Owner BufferRing::make(Kernel& kernel, const BufferRingOptions& wanted) {
  return make_pieces(kernel, wanted.in_range());
}

BufferRing::Owner BufferRing::make_pieces(Kernel& kernel, const BufferRingOptions& options) {
  Owner ring(new BufferRing(kernel, options));
  ring->memory_ =
      static_cast<char*>(kernel.map_memory(options.segment_bytes * options.max_segments));
  if (ring->memory_ == nullptr) return nullptr;
  ring->segments_.resize(options.max_segments);
  ring->free_.reserve(options.max_segments);
  for (unsigned i = 0; i < options.max_segments; ++i) {
    Segment& segment = ring->segments_[i];
    segment.base = ring->memory_ + i * options.segment_bytes;
    segment.size = static_cast<uint32_t>(options.segment_bytes);
    segment.id = static_cast<uint16_t>(i);
    segment.ring = ring.get();
    segment.release = [](SliceOwner* owner) {
      auto& idle = static_cast<Segment&>(*owner);
      if (idle.state == Segment::State::kFull) {
        idle.ring->became_free(idle);
      } else if (idle.rewinds) {
        idle.filled = 0;
      }
    };
  }
  poison_memory(ring->memory_, options.segment_bytes * options.max_segments);
  return ring;
}

BufferRing::~BufferRing() {
  if (memory_ == nullptr) return;
  const size_t size = options_.segment_bytes * options_.max_segments;
  unpoison_memory(memory_, size);
  kernel_.unmap_memory(memory_, size);
}

void BufferRing::orphan() {
  orphaned_ = true;
  for (Segment& segment : segments_) {
    if (segment.state == Segment::State::kFilling) finish(segment);
  }
  if (in_use_ == 0) delete this;
}

Segment* BufferRing::take(bool by_hand) {
  uint16_t id = 0;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
  } else if (untouched_ < options_.max_segments) {
    id = static_cast<uint16_t>(untouched_++);
  } else {
    return nullptr;
  }
  Segment& segment = segments_[id];
  segment.state = Segment::State::kFilling;
  segment.filled = 0;
  segment.rewinds = by_hand;
  ++in_use_;
  in_use_by_kernel_ += by_hand ? 0 : 1;
  return &segment;
}

void BufferRing::mark_filled(Segment&, const Slice& slice) {
  unpoison_memory(slice.data(), slice.size());
}

void BufferRing::finish(Segment& segment) {
  segment.state = Segment::State::kFull;
  if (segment.references == 0) release_to_free(segment);
}

void BufferRing::became_free(Segment& segment) {
  release_to_free(segment);
  if (orphaned_ && in_use_ == 0) delete this;
}

void BufferRing::release_to_free(Segment& segment) {
  segment.state = Segment::State::kFree;
  free_.push_back(segment.id);
  has_grown_ = has_grown_ || segment.id >= options_.initial_segments;
  if (EDDY_CANARY(kBufferReturnedTwice)) free_.push_back(segment.id);
  --in_use_;
  in_use_by_kernel_ -= segment.rewinds ? 0 : 1;
}

size_t BufferRing::pinned_bytes() const {
  size_t bytes = 0;
  for (const Segment& segment : segments_) {
    if (segment.state == Segment::State::kFull) bytes += segment.size;
  }
  return bytes;
}

void BufferRing::trim() {
  has_grown_ = false;
  std::sort(free_.begin(), free_.end(), std::greater<>());
  for (const uint16_t id : free_) {
    if (id < options_.initial_segments) break;
    kernel_.discard_memory(segments_[id].base, segments_[id].size);
  }
}

bool SegmentCursor::advance() {
  if (segment_ != nullptr) ring_.finish(*segment_);
  segment_ = ring_.take(true);
  if (segment_ == nullptr) return false;
  // By hand, user space and the kernel write anywhere in it.
  unpoison_memory(segment_->base, segment_->size);
  return true;
}

}  // namespace eddy
