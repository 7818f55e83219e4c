#include "allocations.h"

#include <malloc.h>
#include <stdlib.h>

#include <atomic>
#include <new>

namespace eddy::test {
namespace {

std::atomic<size_t> count = 0;
std::atomic<size_t> live_bytes = 0;

struct Failure {
  bool armed = false;
  bool done = false;
  size_t calls_before = 0;
};
thread_local constinit Failure failure;

// nullptr when it is this call's turn to fail.
void* allocate(size_t size, size_t alignment) noexcept {
  if (failure.armed && !failure.done && failure.calls_before-- == 0) {
    failure.done = true;
    return nullptr;
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size) != 0) abort();  // no test runs out of memory
  count.fetch_add(1, std::memory_order_relaxed);
  live_bytes.fetch_add(malloc_usable_size(memory), std::memory_order_relaxed);
  return memory;
}

void* allocate_or_throw(size_t size, size_t alignment) {
  void* memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) {
  if (memory == nullptr) return;
  live_bytes.fetch_sub(malloc_usable_size(memory), std::memory_order_relaxed);
  free(memory);
}

}  // namespace

void fail_allocation(size_t n) noexcept { failure = {.calls_before = n}; }
void arm_allocation_failure(bool on) noexcept { failure.armed = on; }
bool allocation_has_failed() noexcept { return failure.done; }

Allocations allocations() noexcept { return {count.load(), live_bytes.load()}; }

}  // namespace eddy::test

// The standard library's forms without exceptions, and those of arrays, call these; a sanitizer's
// do not, so each form that eddy uses is here (new.delete.single, new.delete.array).
void* operator new(size_t size) { return eddy::test::allocate_or_throw(size, sizeof(void*)); }
void* operator new[](size_t size) { return eddy::test::allocate_or_throw(size, sizeof(void*)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return eddy::test::allocate(size, sizeof(void*));
}
void* operator new(size_t size, std::align_val_t alignment) {
  return eddy::test::allocate_or_throw(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return eddy::test::allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { eddy::test::release(memory); }
void operator delete[](void* memory) noexcept { eddy::test::release(memory); }
void operator delete(void* memory, size_t) noexcept { eddy::test::release(memory); }
void operator delete[](void* memory, size_t) noexcept { eddy::test::release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { eddy::test::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { eddy::test::release(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  eddy::test::release(memory);
}
