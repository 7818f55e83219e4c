// Bytes that wait, first in, first out.
#pragma once

#include <stddef.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace eddy::sim {

class ByteQueue {
 public:
  size_t size() const { return bytes_.size() - head_; }
  bool empty() const { return size() == 0; }
  const char* data() const { return bytes_.data() + head_; }
  std::string_view view() const { return {data(), size()}; }

  void push(std::string_view bytes) { bytes_.append(bytes); }
  // Room at the end, to be written by the caller.
  char* extend(size_t count) {
    const size_t end = bytes_.size();
    bytes_.resize(end + count);
    return bytes_.data() + end;
  }
  void drop(size_t count) {
    head_ += count;
    // Moved down now and then, so that a queue that never runs empty does not grow for ever.
    if (head_ == bytes_.size()) {
      bytes_.clear();
      head_ = 0;
    } else if (head_ > 65536 && head_ > bytes_.size() / 2) {
      bytes_.erase(0, head_);
      head_ = 0;
    }
  }
  void clear() { drop(size()); }

 private:
  std::string bytes_;
  size_t head_ = 0;
};

}  // namespace eddy::sim
