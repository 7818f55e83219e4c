#include "load/pattern.h"

#include <string.h>

#include <algorithm>

namespace eddy::load {

constexpr size_t kEdge = 8;

Pattern::Pattern() : bytes_(kPeriod + kLongest) {
  owner_.references = 1;        // so that no Slice is the last
  uint32_t state = 2463534242;  // xorshift (Marsaglia 2003)
  for (size_t i = 0; i < bytes_.size(); ++i) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    bytes_[i] = i < kPeriod ? static_cast<char>(state >> 11) : bytes_[i - kPeriod];
  }
}

bool Pattern::matches(uint32_t phase, std::string_view bytes, bool whole) const {
  while (bytes.size() > kLongest) {
    if (!matches(phase, bytes.substr(0, kLongest), whole)) return false;
    phase = advance(phase, kLongest);
    bytes.remove_prefix(kLongest);
  }
  if (whole || bytes.size() <= 2 * kEdge) return equal(phase, bytes);
  const size_t last = bytes.size() - kEdge;
  return equal(phase, bytes.substr(0, kEdge)) &&
         memcmp(bytes.data() + last, bytes_.data() + phase + last, kEdge) == 0;
}

bool Pattern::equal(uint32_t phase, std::string_view bytes) const {
  return memcmp(bytes.data(), bytes_.data() + phase, bytes.size()) == 0;
}

}  // namespace eddy::load
