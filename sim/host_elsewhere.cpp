// What a host does beside its loops: the work of other threads, in the world's one thread. A step
// happens at one moment of virtual time; how long it has taken decides when the next one comes.
#include <eddy/sim/host_kernel.h>
#include <errno.h>

#include <utility>

namespace eddy::sim {
namespace {

// From a thread's making to its work, and from one step to the next, at the most.
constexpr int64_t kLongestStartNs = 200'000;
constexpr int64_t kLongestStepNs = 50'000;

}  // namespace

int HostKernel::run_elsewhere(std::move_only_function<bool()> step) {
  enter_call();
  if (has_died_ || simulation_.strikes(Fault::kNoMemory, *this)) return -EAGAIN;
  go_on_elsewhere(process_, std::move(step), simulation_.tape.between(1, kLongestStartNs));
  return 0;
}

void HostKernel::go_on_elsewhere(int process, std::move_only_function<bool()> step,
                                 int64_t delay_ns) {
  simulation_.after(delay_ns, [this, process, step = std::move(step)]() mutable {
    run_step(process, std::move(step));
  });
}

void HostKernel::run_step(int process, std::move_only_function<bool()> step) {
  if (process != process_) return;
  if (const int64_t stall_ns = simulation_.stalled_until_ns(*this) - simulation_.now_ns();
      stall_ns > 0) {
    return go_on_elsewhere(process, std::move(step), stall_ns);
  }
  simulation_.note(*this, "elsewhere", {});
  is_elsewhere_ = true;
  spent_ns_ = 0;
  const bool goes_on = step();
  is_elsewhere_ = false;
  if (!goes_on) return;
  go_on_elsewhere(process, std::move(step),
                  Simulation::later(spent_ns_, simulation_.tape.between(1, kLongestStepNs)));
}

void HostKernel::spend(int64_t time_ns) {
  if (is_elsewhere_) {
    spent_ns_ = Simulation::later(spent_ns_, time_ns);
    return;
  }
  simulation_.wait(Simulation::later(simulation_.now_ns(), time_ns), [this] { return has_died_; });
}

}  // namespace eddy::sim
