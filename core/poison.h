// Address-sanitizer marks for memory that the kernel owns: what the kernel writes through io_uring
// is not seen by the sanitizer, so a buffer is poisoned while it is the kernel's, and a use of it
// by mistake is then found.
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define EDDY_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EDDY_HAS_ASAN 1
#endif
#endif

#ifdef EDDY_HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace eddy {

inline void poison_memory([[maybe_unused]] const void* data, [[maybe_unused]] size_t size) {
#ifdef EDDY_HAS_ASAN
  __asan_poison_memory_region(data, size);
#endif
}

inline void unpoison_memory([[maybe_unused]] const void* data, [[maybe_unused]] size_t size) {
#ifdef EDDY_HAS_ASAN
  __asan_unpoison_memory_region(data, size);
#endif
}

}  // namespace eddy
