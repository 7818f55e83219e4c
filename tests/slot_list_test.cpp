// The lists that slots are in: first in, first out, and any of the parked ones may leave.
#include <eddy/core/slot.h>
#include <gmock/gmock.h>

#include <array>
#include <vector>

namespace eddy::test {
namespace {

class ListedSlot final : public Slot {};

template <typename List>
class SlotLists : public testing::Test {
 protected:
  static constexpr int kSlots = 4;
  void push_all() {
    for (ListedSlot& slot : slots_) list_.push(slot);
  }
  std::vector<int> left() {
    std::vector<int> numbers;
    while (Slot* slot = list_.pop()) {
      numbers.push_back(static_cast<int>(static_cast<ListedSlot*>(slot) - slots_.data()));
    }
    return numbers;
  }
  std::array<ListedSlot, kSlots> slots_;
  List list_;
};
using Lists = testing::Types<ReadyList, DirtyList, ParkedList>;
TYPED_TEST_SUITE(SlotLists, Lists);

TYPED_TEST(SlotLists, InTheirOrderEachOnce) {
  this->push_all();
  this->push_all();
  EXPECT_THAT(this->left(), testing::ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(this->list_.empty());
  this->push_all();
  EXPECT_THAT(this->left(), testing::ElementsAre(0, 1, 2, 3));
}

TYPED_TEST(SlotLists, ThoseForWhichItHoldsLeave) {
  this->push_all();
  this->list_.remove_if(
      [&](const Slot& slot) { return &slot == &this->slots_[0] || &slot == &this->slots_[3]; });
  this->list_.push(this->slots_[0]);
  EXPECT_THAT(this->left(), testing::ElementsAre(1, 2, 0));
}

using ParkedSlots = SlotLists<ParkedList>;

TEST_F(ParkedSlots, AnyMayLeaveAndComeBack) {
  for (int leaves = 0; leaves < kSlots; ++leaves) {
    SCOPED_TRACE(leaves);
    push_all();
    list_.remove(slots_[static_cast<size_t>(leaves)]);
    list_.push(slots_[static_cast<size_t>(leaves)]);
    std::vector<int> expected;
    for (int i = 0; i < kSlots; ++i) {
      if (i != leaves) expected.push_back(i);
    }
    expected.push_back(leaves);
    EXPECT_EQ(left(), expected);
  }
}

TEST_F(ParkedSlots, AllMayLeaveInAnyOrder) {
  push_all();
  list_.pop();
  list_.remove(slots_[2]);
  list_.remove(slots_[1]);
  list_.remove(slots_[3]);
  EXPECT_TRUE(list_.empty());
  push_all();
  EXPECT_THAT(left(), testing::ElementsAre(0, 1, 2, 3));
}

}  // namespace
}  // namespace eddy::test
