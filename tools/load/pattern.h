// The bytes that are sent, and by which it is told that they came back.
//
// What it is: a sequence without a short period, so that each byte says where in the connection's
// stream it belongs: what is lost, doubled, reordered or another connection's shows as a mismatch.
// Slices of it are sent as they lie, without a copy; neighbouring requests are neighbours in memory
// and leave as one piece.
#pragma once

#include <eddy/core/slice.h>
#include <stddef.h>
#include <stdint.h>

#include <string_view>
#include <vector>

namespace eddy::load {

class Pattern {
 public:
  static constexpr uint32_t kPeriod = 4093;  // a prime: no power of two is a multiple of it
  static constexpr size_t kLongest = 256 * 1024;

  Pattern();
  // Slices count on the pattern, which outlives them.
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  // `phase` is a place in the sequence, below kPeriod.
  static uint32_t advance(uint32_t phase, size_t bytes) {
    return static_cast<uint32_t>((phase + bytes) % kPeriod);
  }
  // `size` at most kLongest.
  Slice slice(uint32_t phase, size_t size) { return {&owner_, bytes_.data() + phase, size}; }
  // Compares the first and the last bytes, or all of them. Bytes in the midst of a piece that are
  // wrong while both its edges are right are found by comparing some pieces whole.
  bool matches(uint32_t phase, std::string_view bytes, bool whole) const;

 private:
  bool equal(uint32_t phase, std::string_view bytes) const;
  SliceOwner owner_;
  std::vector<char> bytes_;
};

}  // namespace eddy::load
