// What is sent to stores: keys as text, and values.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <string_view>

namespace eddy::load {

// "key:000000000042", as redis-benchmark names them.
inline constexpr size_t kKeyBytes = 16;

// Numbers that are counted up have other keys than values.
inline constexpr std::string_view kValueKeys = "key:";
inline constexpr std::string_view kNumberKeys = "num:";

std::string key_zero(std::string_view prefix);

// Writes a number over the zeros that end at `end`.
inline void put_key_number(char* end, uint64_t number) {
  for (; number > 0; number /= 10) *--end = static_cast<char>('0' + number % 10);
}

// Bytes that do not look alike, so that a server which compresses gains nothing.
std::string value_of_size(uint64_t size);

}  // namespace eddy::load
