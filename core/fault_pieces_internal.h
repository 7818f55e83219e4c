// The first bytes of a gathered write.
#pragma once

#include <stddef.h>
#include <sys/uio.h>

#include <algorithm>
#include <vector>

namespace eddy {

inline size_t size_of_pieces(const iovec* pieces, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += pieces[i].iov_len;
  return size;
}

inline std::vector<iovec> first_of_pieces(const iovec* pieces, size_t count, size_t most) {
  std::vector<iovec> first;
  for (size_t i = 0; i < count && most != 0; ++i) {
    first.push_back({pieces[i].iov_base, std::min(pieces[i].iov_len, most)});
    most -= first.back().iov_len;
  }
  return first;
}

}  // namespace eddy
