// Bytes that tell where in a transfer they belong, so that a lost, doubled or swapped one is found.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <string_view>

namespace eddy::test {

// The period is a prime above any buffer's size in use, so that no shift by a power of two goes
// unseen.
inline char pattern_at(uint64_t offset) {
  const uint64_t place = offset % 16'777'213;
  return static_cast<char>((place * 0x9E3779B97F4A7C15U) >> 56);
}

inline std::string pattern(size_t size, uint64_t offset = 0) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = pattern_at(offset + i);
  return bytes;
}

inline bool is_pattern(std::string_view bytes, uint64_t offset) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern_at(offset + i)) return false;
  }
  return true;
}

}  // namespace eddy::test
