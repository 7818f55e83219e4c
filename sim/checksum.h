// A checksum of bytes in pieces, by which a change of them is found.
#pragma once

#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include <vector>

namespace eddy::sim {

inline uint64_t checksum_of(const std::vector<iovec>& pieces) {
  uint64_t sum = 0;
  const auto mix = [&sum](uint64_t word) { sum = (sum ^ word) * 0x9fb21c651e98df25 + (sum >> 29); };
  for (const iovec& piece : pieces) {
    const char* data = static_cast<const char*>(piece.iov_base);
    size_t left = piece.iov_len;
    for (; left >= sizeof(uint64_t); data += sizeof(uint64_t), left -= sizeof(uint64_t)) {
      uint64_t word;
      memcpy(&word, data, sizeof word);
      mix(word);
    }
    for (; left != 0; ++data, --left) mix(static_cast<unsigned char>(*data));
  }
  return sum;
}

}  // namespace eddy::sim
