// What clients send: a fixed pattern that a stream walks through from a phase of its own, so that a
// lost, doubled, reordered or misdirected piece shows as a mismatch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace bench {

inline constexpr uint32_t kPeriod = 4093;  // prime: no power of two is a multiple of it

inline uint32_t phase_of(size_t stream) { return static_cast<uint32_t>(stream * 1009 % kPeriod); }
inline uint32_t advance(uint32_t phase, size_t count) {
  return static_cast<uint32_t>((phase + count) % kPeriod);
}

class Pattern {
 public:
  // Pieces of up to `longest` bytes, from any phase.
  explicit Pattern(size_t longest) : bytes_(kPeriod + longest) {
    uint32_t x = 2463534242;  // xorshift: bytes without a short period
    for (size_t i = 0; i < kPeriod; ++i) {
      x ^= x << 13, x ^= x >> 17, x ^= x << 5;
      bytes_[i] = static_cast<char>(x >> 11);
    }
    for (size_t i = kPeriod; i < bytes_.size(); ++i) bytes_[i] = bytes_[i - kPeriod];
  }
  const char* at(uint32_t phase) const { return bytes_.data() + phase; }
  // Compares the edges, and all of every 64th piece.
  bool holds(uint32_t phase, const char* data, size_t size) {
    if ((++pieces_ & kFullCheckMask) == 0) return std::memcmp(data, at(phase), size) == 0;
    const size_t edge = std::min<size_t>(size, 8);
    return std::memcmp(data, at(phase), edge) == 0 &&
           std::memcmp(data + size - edge, at(phase) + size - edge, edge) == 0;
  }

 private:
  static constexpr uint64_t kFullCheckMask = 63;
  std::vector<char> bytes_;
  uint64_t pieces_ = 0;
};

}  // namespace bench
