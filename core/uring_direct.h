// Direct descriptors: the ring's own table of open files, which spares an operation the look-up of
// its file.
//
// The slot keeps its ordinary descriptor as well, for getpeername(2), setsockopt(2) and the user's
// own `release`; the table holds a second reference to the socket, which is dropped when the slot
// closes. Source: io_uring_register_files_sparse(3), IORING_OP_FILES_UPDATE in io_uring_enter(2).
#pragma once

#include <eddy/core/uring_queue.h>
#include <stdint.h>

#include <numeric>
#include <vector>

namespace eddy {

class UringDirect {
 public:
  // As many places as the limit on open files allows; none at all is no error: streams then go
  // without.
  explicit UringDirect(UringQueue& queue) {
    for (const uint32_t count : {16384U, 4096U, 512U}) {
      io_uring_rsrc_register registration = {};
      registration.nr = count;
      registration.flags = IORING_RSRC_REGISTER_SPARSE;
      if (queue.register_with(IORING_REGISTER_FILES2, &registration, sizeof registration) < 0) {
        continue;
      }
      free_.resize(count);
      std::iota(free_.rbegin(), free_.rend(), 0);  // the lowest on top
      return;
    }
  }

  // A free place, or -1.
  int take() {
    if (free_.empty()) return -1;
    const int index = free_.back();
    free_.pop_back();
    return index;
  }
  void give(int index) { free_.push_back(index); }

  // Puts `descriptor` (or -1: nothing) at the place; it must stay until the entry is handed over.
  static void prepare(io_uring_sqe& entry, int index, const int& descriptor) {
    entry.opcode = IORING_OP_FILES_UPDATE;
    entry.fd = -1;
    entry.addr = reinterpret_cast<uintptr_t>(&descriptor);
    entry.len = 1;
    entry.off = static_cast<uint64_t>(index);
  }

 private:
  std::vector<int> free_;
};

}  // namespace eddy
