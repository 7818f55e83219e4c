// Bytes that tell where in a transfer they belong, so that a lost, doubled or swapped one is found.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <string_view>

namespace eddy::test {

// The period is a prime above any buffer's size in use, so that no shift by a power of two goes
// unseen.
char pattern_at(uint64_t offset);

std::string pattern(size_t size, uint64_t offset = 0);

bool is_pattern(std::string_view bytes, uint64_t offset);

}  // namespace eddy::test
