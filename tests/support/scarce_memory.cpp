#include "scarce_memory.h"

#include <stdlib.h>

#include <new>

namespace eddy::test {

bool memory_is_out = false;

}  // namespace eddy::test

void* operator new(size_t size, std::align_val_t alignment) {
  if (eddy::test::memory_is_out) throw std::bad_alloc();
  return aligned_alloc(static_cast<size_t>(alignment), size);
}
void operator delete(void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { free(memory); }
