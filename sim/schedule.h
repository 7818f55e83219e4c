// What will happen in a simulated world, in the order of its time.
//
// What it is: a heap of actions by virtual time; what is due at one moment happens in the order in
// which it was scheduled.
#pragma once

#include <eddy/core/inline_function.h>
#include <stdint.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace eddy::sim {

class Schedule {
 public:
  static constexpr int64_t kNever = INT64_MAX;

  void at(int64_t when_ns, InlineFunction<void()> action) {
    items_.push_back({when_ns, next_++, std::move(action)});
    std::push_heap(items_.begin(), items_.end(), later);
  }
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  int64_t next_ns() const { return items_.empty() ? kNever : items_.front().when_ns; }
  // Takes the earliest out; there is one.
  InlineFunction<void()> take() {
    std::pop_heap(items_.begin(), items_.end(), later);
    InlineFunction<void()> action = std::move(items_.back().action);
    items_.pop_back();
    return action;
  }

 private:
  struct Item {
    int64_t when_ns;
    uint64_t number;
    InlineFunction<void()> action;
  };
  static bool later(const Item& a, const Item& b) {
    return a.when_ns != b.when_ns ? a.when_ns > b.when_ns : a.number > b.number;
  }
  std::vector<Item> items_;
  uint64_t next_ = 0;
};

}  // namespace eddy::sim
