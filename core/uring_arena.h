// What submission entries point to, until the kernel has copied it: message headers, addresses,
// descriptors.
//
// What it is: a bump allocator that is reset once all entries of a turn are handed over
// (IORING_FEAT_SUBMIT_STABLE). It keeps its blocks, so a steady load allocates nothing.
#pragma once

#include <eddy/core/readiness_io.h>
#include <eddy/core/vector_room_internal.h>
#include <stddef.h>
#include <sys/socket.h>

#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace eddy {

class UringArena {
 public:
  struct Message {
    msghdr header = {};
    iovec pieces[kMostPiecesPerSend];
  };

  UringArena() { blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlockBytes)); }

  // nullptr: no memory, after the first block.
  template <typename T>
  T* make() noexcept {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignof(max_align_t));
    void* memory = take((sizeof(T) + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1));
    return memory == nullptr ? nullptr : new (memory) T;
  }
  void reset() noexcept { block_ = used_ = 0; }

 private:
  static constexpr size_t kBlockBytes = 32 * 1024;

  void* take(size_t size) noexcept {
    if (used_ + size > kBlockBytes) {
      if (block_ + 1 == blocks_.size() && !grow()) return nullptr;
      ++block_;
      used_ = 0;
    }
    void* memory = blocks_[block_].get() + used_;
    used_ += size;
    return memory;
  }

  bool grow() noexcept {
    std::unique_ptr<std::byte[]> block(new (std::nothrow) std::byte[kBlockBytes]);
    if (block == nullptr || !make_room(blocks_)) return false;
    blocks_.push_back(std::move(block));
    return true;
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;  // one at the least
  size_t block_ = 0;
  size_t used_ = 0;
};

}  // namespace eddy
