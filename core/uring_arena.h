// What submission entries point to, until the kernel has copied it: message headers, addresses,
// descriptors.
//
// What it is: a bump allocator that is reset once all entries of a turn are handed over
// (IORING_FEAT_SUBMIT_STABLE). It keeps its blocks, so a steady load allocates nothing.
#pragma once

#include <eddy/core/readiness_io.h>
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

  template <typename T>
  T& make() {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignof(max_align_t));
    return *new (take((sizeof(T) + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1))) T;
  }
  void reset() noexcept { block_ = used_ = 0; }

 private:
  static constexpr size_t kBlockBytes = 32 * 1024;

  void* take(size_t size) {
    if (used_ + size > kBlockBytes) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlockBytes));
    }
    void* memory = blocks_[block_].get() + used_;
    used_ += size;
    return memory;
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  size_t block_ = 0;
  size_t used_ = 0;
};

}  // namespace eddy
