#include <eddy/core/slice.h>

#include <string.h>

#include <new>

namespace eddy {
namespace {

// The count and the bytes behind it in one allocation.
struct HeapBlock : SliceOwner {
  static HeapBlock* make(size_t size) {
    auto* block = new (::operator new(sizeof(HeapBlock) + size)) HeapBlock;
    block->release = [](SliceOwner* owner) { ::operator delete(static_cast<HeapBlock*>(owner)); };
    return block;
  }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
};

struct StringBlock : SliceOwner {
  explicit StringBlock(std::string&& text) : bytes(std::move(text)) {
    release = [](SliceOwner* owner) { delete static_cast<StringBlock*>(owner); };
  }
  std::string bytes;
};

}  // namespace

Slice Slice::copy_of(std::string_view bytes) {
  if (bytes.empty()) return {};
  HeapBlock* block = HeapBlock::make(bytes.size());
  memcpy(block->bytes(), bytes.data(), bytes.size());
  return {block, block->bytes(), bytes.size()};
}

Slice Slice::adopt(std::string&& bytes) {
  if (bytes.empty()) return {};
  auto* block = new StringBlock(std::move(bytes));
  return {block, block->bytes.data(), block->bytes.size()};
}

SharedBytes Slice::share() const { return SharedBytes::copy_of(view()); }

// The bytes lie behind it, or are those of the string that was adopted.
struct SharedBytes::Block {
  std::atomic<uint32_t> references{1};
  std::string adopted;
  std::string_view bytes;

  void drop() {
    // Release and acquire: the last one must see what every other thread did with the bytes.
    if (references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    this->~Block();
    ::operator delete(this);
  }
};

SharedBytes SharedBytes::copy_of(std::string_view bytes) {
  auto* block = new (::operator new(sizeof(Block) + bytes.size())) Block;
  char* room = reinterpret_cast<char*>(block + 1);
  if (!bytes.empty()) memcpy(room, bytes.data(), bytes.size());
  block->bytes = {room, bytes.size()};
  return SharedBytes(block);
}

SharedBytes SharedBytes::adopt(std::string&& bytes) {
  auto* block = new (::operator new(sizeof(Block))) Block{.adopted = std::move(bytes)};
  block->bytes = block->adopted;
  return SharedBytes(block);
}

SharedBytes::SharedBytes(const SharedBytes& other) noexcept : block_(other.block_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

SharedBytes::~SharedBytes() {
  if (block_ != nullptr) block_->drop();
}

std::string_view SharedBytes::view() const noexcept {
  return block_ == nullptr ? std::string_view() : block_->bytes;
}

Slice SharedBytes::slice() const {
  struct SharedOwner : SliceOwner {
    explicit SharedOwner(const SharedBytes& shared) : bytes(shared) {
      release = [](SliceOwner* owner) { delete static_cast<SharedOwner*>(owner); };
    }
    SharedBytes bytes;
  };
  if (view().empty()) return {};
  auto* owner = new SharedOwner(*this);
  return {owner, view().data(), view().size()};
}

}  // namespace eddy
