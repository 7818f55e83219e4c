// Failure by count: each scenario is run again and again, and each time the next one of the things
// that can fail fails, until a run in which nothing was left to fail. Whatever it is, one
// connection is lost at the most, nothing leaks, nothing hangs, and the reactor serves on.
#include <eddy/core/linux_kernel.h>

#include "../support/allocations.h"
#include "../support/configurations.h"
#include "../support/descriptors.h"
#include "scenarios.h"

namespace eddy::test {
namespace {

class NoFault final : public Injector {
 public:
  Kernel& kernel() override { return linux_kernel(); }
  void arm(bool) override {}
  bool fired() const override { return false; }
  std::string what() const override { return "nothing failed"; }
  bool next() override { return false; }
};

std::vector<Scenario> scenarios_of_calls() {
  std::vector<Scenario> chosen = scenarios();
  std::erase_if(chosen, [](const Scenario& scenario) { return scenario.of_memory; });
  return chosen;
}

class FailureByCount : public testing::TestWithParam<std::tuple<Configuration, Scenario>> {
 protected:
  // What is wrong with one run: nothing, or some lines.
  std::string run(Injector& injector) {
    const size_t descriptors = machine().open_descriptors();
    const size_t bytes = allocations().live_bytes;
    std::string wrong = play(injector);
    if (!wrong.empty()) return wrong;
    if (machine().open_descriptors() != descriptors) wrong += "descriptors leak\n";
    if (allocations().live_bytes != bytes) {
      wrong += "memory leaks: " +
               std::to_string(static_cast<int64_t>(allocations().live_bytes - bytes)) + " bytes\n";
    }
    return wrong;
  }

  void fail_each(Injector& injector) {
    NoFault none;
    play(none);  // what is kept for good, by a thread or a library, is there from now on
    ASSERT_EQ(run(none), "");
    constexpr int kEnough = 3;
    int failed = 0;
    int runs = 0;
    do {
      const std::string wrong = run(injector);
      if (!wrong.empty()) {
        ADD_FAILURE() << injector.what() << ":\n" << wrong;
        ++failed;
      }
      ++runs;
    } while (injector.next() && failed < kEnough);
    printf("%d faults\n", runs - 1);
  }

 private:
  std::string play(Injector& injector) {
    const auto& [configuration, scenario] = GetParam();
    injector.begin();
    std::string wrong;
    {
      Trial trial(injector, configuration.options);
      scenario.play(trial);
      wrong = trial.conclude();
    }
    injector.end();
    return wrong;
  }
};

std::string name_of(const testing::TestParamInfo<FailureByCount::ParamType>& test) {
  return std::get<0>(test.param).name + "_" + std::get<1>(test.param).name;
}

class FailedCalls : public FailureByCount {};
TEST_P(FailedCalls, EachInItsTurn) { fail_each(*make_call_injector()); }
INSTANTIATE_TEST_SUITE_P(, FailedCalls,
                         testing::Combine(testing::ValuesIn(real_configurations()),
                                          testing::ValuesIn(scenarios_of_calls())),
                         name_of);

class FailedAllocations : public FailureByCount {};
TEST_P(FailedAllocations, EachInItsTurn) { fail_each(*make_allocation_injector()); }
INSTANTIATE_TEST_SUITE_P(, FailedAllocations,
                         testing::Combine(testing::ValuesIn(real_configurations()),
                                          testing::ValuesIn(scenarios())),
                         name_of);

}  // namespace
}  // namespace eddy::test
