#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

namespace eddy::load {

// Numbers below `seats`, each in it once at the most, in the order of their coming. Allocates when
// it is made.
class SeatQueue {
 public:
  explicit SeatQueue(size_t seats) : places_(seats), is_in_(seats) {}

  bool empty() const { return count_ == 0; }
  // Nothing if it is in it.
  void push(uint32_t seat) {
    if (is_in_[seat] != 0) return;
    is_in_[seat] = 1;
    size_t place = first_ + count_++;
    if (place >= places_.size()) place -= places_.size();
    places_[place] = seat;
  }
  uint32_t pop() {
    const uint32_t seat = places_[first_];
    is_in_[seat] = 0;
    if (++first_ == places_.size()) first_ = 0;
    --count_;
    return seat;
  }

 private:
  std::vector<uint32_t> places_;
  std::vector<uint8_t> is_in_;
  size_t first_ = 0;
  size_t count_ = 0;
};

}  // namespace eddy::load
