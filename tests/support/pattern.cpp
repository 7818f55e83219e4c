#include "pattern.h"

namespace eddy::test {

char pattern_at(uint64_t offset) {
  const uint64_t place = offset % 16'777'213;
  return static_cast<char>((place * 0x9E3779B97F4A7C15U) >> 56);
}

std::string pattern(size_t size, uint64_t offset) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = pattern_at(offset + i);
  return bytes;
}

bool is_pattern(std::string_view bytes, uint64_t offset) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern_at(offset + i)) return false;
  }
  return true;
}

}  // namespace eddy::test
