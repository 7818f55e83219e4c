// Slices in a row: what a stream has still to send, or what arrived while it was paused.
//
// What it is: a singly linked list of nodes from the reactor's pool, so that queueing allocates
// nothing once the pool has grown, and an empty queue is 24 bytes. The queue does not know its
// pool: every function that takes or gives a node is handed it, and a queue must be cleared before
// it is destroyed. Threads: the reactor's alone.
#pragma once

#include <eddy/core/slice.h>
#include <stddef.h>
#include <sys/uio.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace eddy {

struct SliceNode {
  Slice slice;
  SliceNode* next = nullptr;
};

class SlicePool {
 public:
  SliceNode* take() {
    if (free_ == nullptr) grow();
    SliceNode* node = free_;
    free_ = node->next;
    return node;
  }
  void give(SliceNode* node) noexcept {
    node->next = free_;
    free_ = node;
  }

 private:
  static constexpr size_t kNodesPerChunk = 256;
  void grow() {
    auto& chunk = chunks_.emplace_back(std::make_unique<SliceNode[]>(kNodesPerChunk));
    for (size_t i = 0; i < kNodesPerChunk; ++i) give(&chunk[i]);
  }
  std::vector<std::unique_ptr<SliceNode[]>> chunks_;
  SliceNode* free_ = nullptr;
};

class SliceQueue {
 public:
  size_t bytes() const noexcept { return bytes_; }
  bool empty() const noexcept { return head_ == nullptr; }
  SliceNode* head() noexcept {
    return head_;
  }  // for walking, and for putting other bytes of equal size in place
  const Slice& front() const noexcept { return head_->slice; }

  // An empty slice is not queued. One that lies right behind the last one is merged with it, also
  // while the kernel is sending that one: what is under way is counted in bytes. Throws
  // std::bad_alloc when the pool cannot grow; the queue and the slice are then as they were.
  void push(SlicePool& pool, Slice&& slice) {
    if (slice.empty()) return;
    const size_t size = slice.size();
    if (tail_ == nullptr || !tail_->slice.extend_by(slice)) append(pool, slice);
    bytes_ += size;
  }

  Slice pop(SlicePool& pool) {
    SliceNode* node = head_;
    Slice slice = std::move(node->slice);
    bytes_ -= slice.size();
    drop_head(pool);
    return slice;
  }

  // Removes the first `count` bytes (at most bytes()); the last slice that they touch is shortened.
  void consume(SlicePool& pool, size_t count) {
    bytes_ -= count;
    while (count > 0) {
      Slice& slice = head_->slice;
      if (count < slice.size()) return slice.remove_prefix(count);
      count -= slice.size();
      slice.clear();
      drop_head(pool);
    }
  }

  void clear(SlicePool& pool) { consume(pool, bytes_); }

  // Describes the first bytes: at most `capacity` pieces and `max_bytes`; how many pieces.
  int gather(iovec* pieces, int capacity, size_t max_bytes) const noexcept {
    int count = 0;
    for (const SliceNode* node = head_; node != nullptr && count < capacity; node = node->next) {
      const size_t size = std::min(node->slice.size(), max_bytes);
      pieces[count++] = {const_cast<char*>(node->slice.data()), size};
      max_bytes -= size;
      if (max_bytes == 0) break;
    }
    return count;
  }

 private:
  void append(SlicePool& pool, Slice& slice) {
    SliceNode* node = pool.take();
    node->slice.swap(slice);  // a node in the pool is empty
    node->next = nullptr;
    (tail_ == nullptr ? head_ : tail_->next) = node;
    tail_ = node;
  }
  void drop_head(SlicePool& pool) {
    SliceNode* node = head_;
    head_ = node->next;
    if (head_ == nullptr) tail_ = nullptr;
    pool.give(node);
  }

  SliceNode* head_ = nullptr;
  SliceNode* tail_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace eddy
