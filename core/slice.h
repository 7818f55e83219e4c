// Bytes by reference.
//
// What it is: `Slice` is a counted view of memory that somebody else owns: a segment of a
// BufferRing, a block on the heap, or bytes that live for ever. Copying a Slice copies the view and
// adds one to the count, never the bytes; the memory goes back to its owner with the last Slice. So
// what the kernel received can be sent to one peer, or to ten thousand, as it lies.
//
// Threads: counts are plain integers. A Slice, and all its copies, stay on the thread of the
// reactor that they came from. `share()` makes bytes that may go to other threads.
//
// Memory: a Slice of a BufferRing keeps its whole segment (512 KiB by default) from being filled
// again. One that is kept for long is better replaced by `copy_of(slice.view())`. A Slice may
// outlive its reactor: the segment's memory then stays until the last one has gone.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace eddy {

// What a Slice counts on. `release` is called when the count has come down to zero.
struct SliceOwner {
  uint32_t references = 0;
  void (*release)(SliceOwner*) = nullptr;
};

class SharedBytes;

class Slice {
 public:
  Slice() = default;

  // Adds one to the owner's count; `owner` may be null for bytes that outlive every use of them.
  Slice(SliceOwner* owner, const char* data, size_t size) noexcept
      : owner_(owner), data_(data), size_(size) {
    if (owner_ != nullptr) ++owner_->references;
  }

  Slice(const Slice& other) noexcept : Slice(other.owner_, other.data_, other.size_) {}
  Slice(Slice&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Slice& operator=(Slice other) noexcept {
    swap(other);
    return *this;
  }
  ~Slice() {
    if (owner_ != nullptr && --owner_->references == 0) owner_->release(owner_);
  }

  // Lets go of the bytes.
  void clear() noexcept {
    SliceOwner* owner = std::exchange(owner_, nullptr);
    data_ = nullptr;
    size_ = 0;
    if (owner != nullptr && --owner->references == 0) owner->release(owner);
  }
  void swap(Slice& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  // One allocation that holds the count and a copy of the bytes.
  static Slice copy_of(std::string_view bytes);
  // Takes the string over; its bytes are not copied.
  static Slice adopt(std::string&& bytes);
  // For literals and other bytes that are never freed.
  static Slice of_static(std::string_view bytes) noexcept {
    return {nullptr, bytes.data(), bytes.size()};
  }

  const char* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::string_view view() const noexcept { return {data_, size_}; }
  std::string str() const { return std::string(view()); }
  SliceOwner* owner() const noexcept { return owner_; }

  // The part from `offset` (at most size()) on, of at most `size` bytes.
  Slice subslice(size_t offset, size_t size = SIZE_MAX) const noexcept {
    const std::string_view part = view().substr(offset, size);
    return {owner_, part.data(), part.size()};
  }
  void remove_prefix(size_t count) noexcept {
    data_ += count;
    size_ -= count;
  }
  // Takes in the bytes that lie right behind this slice in the same owner's memory; false if `next`
  // is not there.
  bool extend_by(const Slice& next) noexcept {
    if (owner_ != next.owner_ || owner_ == nullptr || data_ + size_ != next.data_) return false;
    size_ += next.size_;
    return true;
  }

  // A copy of the bytes under an atomic count, for other threads.
  SharedBytes share() const;

 private:
  SliceOwner* owner_ = nullptr;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// Immutable bytes under an atomic count: what may go from one reactor's thread to another's. Any
// thread may copy, destroy and read it. `slice()` gives a Slice over the same bytes for the calling
// thread's reactor, without a copy.
class SharedBytes {
 public:
  SharedBytes() = default;
  static SharedBytes copy_of(std::string_view bytes);
  // Takes the string over; its bytes are not copied.
  static SharedBytes adopt(std::string&& bytes);

  SharedBytes(const SharedBytes& other) noexcept;
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes();

  std::string_view view() const noexcept;
  Slice slice() const;

 private:
  struct Block;
  explicit SharedBytes(Block* block) noexcept : block_(block) {}
  Block* block_ = nullptr;
};

}  // namespace eddy
