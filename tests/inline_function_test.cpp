#include <eddy/core/inline_function.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace eddy {
namespace {

// A callable of kSize bytes that counts what becomes of it; `new` counts the copies outside of
// their owner.
template <std::size_t kSize>
struct Counted {
  static inline int alive = 0;
  static inline int allocated = 0;

  static void* operator new(std::size_t size) {
    ++allocated;
    return ::operator new(size);
  }
  static void* operator new(std::size_t, void* place) { return place; }
  static void operator delete(void* memory) {
    --allocated;
    ::operator delete(memory);
  }

  explicit Counted(int value) : value_(value) { ++alive; }
  Counted(Counted&& other) noexcept : value_(other.value_) { ++alive; }
  ~Counted() { --alive; }

  int operator()() { return value_++; }

 private:
  int value_;
  [[maybe_unused]] std::array<char, kSize - sizeof(int)> padding_{};
};

using Fits = Counted<3 * sizeof(void*)>;
using TooLarge = Counted<3 * sizeof(void*) + 4>;

template <typename Callable>
class InlineFunctionOf : public testing::Test {};
using Sizes = testing::Types<Fits, TooLarge>;
TYPED_TEST_SUITE(InlineFunctionOf, Sizes);

TYPED_TEST(InlineFunctionOf, KeepsItsStateAcrossCallsAndMoves) {
  InlineFunction<int()> function = TypeParam(7);
  EXPECT_EQ(function(), 7);
  InlineFunction<int()> moved = std::move(function);
  EXPECT_EQ(moved(), 8);
  InlineFunction<int()> assigned = TypeParam(100);
  assigned = std::move(moved);
  EXPECT_EQ(assigned(), 9);
  EXPECT_FALSE(moved);  // NOLINT(bugprone-use-after-move): empty is what it promises to be
}

TYPED_TEST(InlineFunctionOf, DestroysItsClosureOnce) {
  {
    InlineFunction<int()> function = TypeParam(1);
    InlineFunction<int()> other = std::move(function);
    EXPECT_EQ(TypeParam::alive, 1);
    EXPECT_TRUE(other.needs_destruction());
    other = InlineFunction<int()>();
    EXPECT_EQ(TypeParam::alive, 0);
    other = TypeParam(2);
    EXPECT_EQ(TypeParam::alive, 1);
  }
  EXPECT_EQ(TypeParam::alive, 0);
  EXPECT_EQ(TypeParam::allocated, 0);
}

TEST(InlineFunction, AllocatesOnlyForWhatExceedsThreePointers) {
  const InlineFunction<int()> small = Fits(1);
  const InlineFunction<int()> large = TooLarge(1);
  EXPECT_EQ(Fits::allocated, 0);
  EXPECT_EQ(TooLarge::allocated, 1);
  EXPECT_EQ(sizeof(small), 4 * sizeof(void*));
}

TEST(InlineFunction, PlainPointersNeedNoDestruction) {
  int calls = 0;
  InlineFunction<void()> function = [&calls] { ++calls; };
  EXPECT_FALSE(function.needs_destruction());
  function();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(InlineFunction<void()>().needs_destruction());
}

TEST(InlineFunction, ForwardsArgumentsAndResult) {
  InlineFunction<std::unique_ptr<std::string>(std::unique_ptr<std::string>, std::string&, int)>
      function = [](std::unique_ptr<std::string> owned, std::string& out, int times) {
        for (int i = 0; i < times; ++i) out += *owned;
        return owned;
      };
  std::string out;
  const auto back = function(std::make_unique<std::string>("ab"), out, 2);
  EXPECT_EQ(out, "abab");
  EXPECT_EQ(*back, "ab");
}

TEST(InlineFunction, ResultOfAVoidSignatureIsDropped) {
  int value = 0;
  InlineFunction<void()> function = [&value] { return ++value; };
  function();
  EXPECT_EQ(value, 1);
}

}  // namespace
}  // namespace eddy
