// Tasks and scopes: when they run, what they own, and how they end.
#include <memory>

#include "support/async_test.h"

namespace eddy::test {
namespace {

// Counts its lives.
class Alive {
 public:
  explicit Alive(int& count) : count_(&count) { ++*count_; }
  Alive(Alive&& other) noexcept : count_(other.count_) { ++*count_; }
  ~Alive() { --*count_; }
  Alive& operator=(Alive&&) = delete;

 private:
  int* count_;
};

Task<int> twice(int number) { co_return 2 * number; }
Task<std::string> nested(std::string text, int depth) {
  if (depth == 0) co_return text;
  std::string inner = co_await nested(text + "x", depth - 1);
  co_return inner + "y";
}
Task<Result<void>> fails_with(std::errc reason) {
  co_return std::unexpected<Error>(std::in_place, std::make_error_code(reason), "test");
}
Task<> holds(Alive alive, std::chrono::nanoseconds time) {
  const Alive local(std::move(alive));
  static_cast<void>(co_await sleep_for(time));
}

class TaskTest : public AsyncTest {};

TEST_P(TaskTest, ReturnsWhatItWasAwaitedFor) {
  int number = 0;
  std::string text;
  scope().spawn([&]() -> Task<> {
    number = co_await twice(21);
    text = co_await nested("", 3);
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(number, 42);
  EXPECT_EQ(text, "xxxyyy");
}

TEST_P(TaskTest, RunsOnlyOnceItIsAwaited) {
  bool ran = false;
  const auto note = [&]() -> Task<> {
    ran = true;
    co_return;
  };
  {
    const Task<> never = note();
  }
  EXPECT_FALSE(ran);
  scope().spawn([&]() -> Task<> {
    Task<> later = note();
    EXPECT_FALSE(ran);
    co_await later;
    EXPECT_TRUE(ran);
  });
  EXPECT_TRUE(run_scope());
  EXPECT_TRUE(ran);
}

TEST_P(TaskTest, AMillionThatNeverWaitNeedNoStack) {
  int64_t sum = 0;
  scope().spawn([&]() -> Task<> {
    for (int i = 0; i < 1'000'000; ++i) sum += co_await twice(i);
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(sum, 999'999'000'000);
}

TEST_P(TaskTest, ASpawnedOneStartsAfterTheCall) {
  bool ran = false;
  scope().spawn([&]() -> Task<> {
    ran = true;
    bool child_ran = false;
    scope().spawn([&]() -> Task<> {
      child_ran = true;
      co_return;
    });
    EXPECT_FALSE(child_ran);
    static_cast<void>(co_await sleep_for(1ms));
    EXPECT_TRUE(child_ran);
  });
  EXPECT_FALSE(ran);
  EXPECT_EQ(scope().size(), 1U);
  EXPECT_TRUE(run_scope());
  EXPECT_TRUE(ran);
}

TEST_P(TaskTest, ASpawnedLambdaIsKept) {
  std::string said;
  {
    auto text = std::make_unique<std::string>("kept, and longer than any small string");
    scope().spawn(
        [&said, text = std::move(text)](std::string more) -> Task<> {
          static_cast<void>(co_await sleep_for(1ms));
          said = *text + more;
        },
        std::string(", with its arguments"));
  }
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(said, "kept, and longer than any small string, with its arguments");
}

TEST_P(TaskTest, DestroyingAScopeDestroysTheFramesInIt) {
  int lives = 0;
  scope().spawn(holds(Alive(lives), 1h));
  scope().spawn([&]() -> Task<> {
    const Alive here(lives);
    co_await holds(Alive(lives), 1h);
    ADD_FAILURE();
  });
  run_turns(2);
  scope().spawn(holds(Alive(lives), 1h));  // will never start
  EXPECT_GE(lives, 4);
  destroy_scope();
  EXPECT_EQ(lives, 0);
}

TEST_P(TaskTest, TheReactorsEndDestroysTheFramesInIt) {
  int lives = 0;
  std::optional<AsyncStream> adopted = connected();
  scope().spawn([&]() -> Task<> {
    const Alive here(lives);
    AsyncStream mine = std::move(*adopted);
    auto done = co_await scoped([&](Scope& children) -> Task<> {
      children.spawn(holds(Alive(lives), 1h));
      static_cast<void>(co_await mine.receive());
    });
    ADD_FAILURE() << code_of(done);
  });
  run_turns();
  EXPECT_GE(lives, 2);
  adopted.reset();
  destroy_reactor();
  EXPECT_EQ(lives, 0);
  EXPECT_TRUE(peer.has_ended());
}

TEST_P(TaskTest, TheFirstErrorCancelsTheOtherChildren) {
  std::error_code other;
  std::error_code joined;
  scope().spawn([&]() -> Task<> {
    auto done = co_await scoped([&](Scope& children) -> Task<> {
      children.spawn([&]() -> Task<> { other = code_of(co_await sleep_for(1h)); });
      children.spawn(fails_with(std::errc::host_unreachable));
      children.spawn(fails_with(std::errc::no_link));
      co_return;
    });
    joined = code_of(done);
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(other, kCanceled);
  EXPECT_EQ(joined, std::errc::host_unreachable);
  EXPECT_FALSE(scope().error());  // it was the inner one's
}

TEST_P(TaskTest, AScopeWaitsForItsChildren) {
  int ended = 0;
  scope().spawn([&]() -> Task<> {
    auto done = co_await scoped([&](Scope& children) -> Task<Result<void>> {
      for (int i = 0; i < 10; ++i) {
        children.spawn([&ended, i]() -> Task<Result<void>> {
          auto slept = co_await sleep_for(std::chrono::milliseconds(10 - i));
          ++ended;
          co_return slept;
        });
      }
      co_return {};
    });
    EXPECT_TRUE(done);
    EXPECT_EQ(ended, 10);
  });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(ended, 10);
}

TEST_P(TaskTest, AnEmptyOneIsRefused) {
  EXPECT_FALSE(scope().spawn(Task<>()));
  std::error_code code;
  scope().spawn([&]() -> Task<> { code = code_of(co_await Task<Result<int>>()); });
  EXPECT_TRUE(run_scope());
  EXPECT_EQ(code, std::errc::not_enough_memory);
}

TEST_P(TaskTest, AReactorWithNothingLeftReturnsThoughACoroutineWaits) {
  int lives = 0;
  scope().spawn([&]() -> Task<> {
    const Alive here(lives);
    co_await std::suspend_always();
  });
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(lives, 1);
  destroy_scope();
  EXPECT_EQ(lives, 0);
}

EDDY_ON_EVERY_CONFIGURATION(TaskTest);

}  // namespace
}  // namespace eddy::test
