// io_uring_enter(2).
#include <eddy/core/uring_abi.h>
#include <eddy/sim/uring.h>
#include <linux/time_types.h>

#include <algorithm>

namespace eddy::sim {
namespace {

constexpr unsigned kKnownEnterFlags =
    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | IORING_ENTER_REGISTERED_RING;
constexpr int kBusy[] = {-EAGAIN, -EBUSY};
// What one pass runs at the most, since Linux 6.13 (IO_LOCAL_TW_DEFAULT_MAX).
constexpr unsigned kTaskWorkPerPass = 20;

}  // namespace

int Uring::enter(unsigned to_submit, unsigned min_complete, unsigned flags, const void* argument,
                 size_t argument_size) {
  if ((flags & ~kKnownEnterFlags) != 0) return -EINVAL;
  if (!enabled_) return -EBADFD;
  if (completions_.is_corrupt()) simulation_.violation("a completion queue's head passed its tail");
  unsigned taken = std::min(to_submit, offered());
  if (taken != 0 && simulation_.strikes(Fault::kEnterBusy, host_)) {
    return simulation_.tape.any_of<int>(kBusy);
  }
  if (taken > 1 && simulation_.strikes(Fault::kSubmissionsSplit, host_)) {
    taken = 1 + static_cast<unsigned>(simulation_.tape.draw(taken - 1));
  }
  const unsigned submitted = submit(taken);
  if (submitted < to_submit || (flags & IORING_ENTER_GETEVENTS) == 0) {
    return static_cast<int>(submitted);
  }
  Patience patience;
  int result = 0;
  if ((flags & IORING_ENTER_EXT_ARG) != 0) {
    result = read_patience(argument, argument_size, patience);
  }
  if (result == 0) result = get_events(min_complete, patience, submitted != 0);
  return submitted != 0 ? static_cast<int>(submitted) : result;
}

int Uring::read_patience(const void* argument, size_t size, Patience& patience) const {
  if (size != sizeof(uring::GetEventsArgument)) return -EINVAL;
  const auto& events = *static_cast<const uring::GetEventsArgument*>(argument);
  if (events.min_wait_us != 0 && !limits_.min_wait) return -EINVAL;
  patience.min_wait_ns = int64_t{events.min_wait_us} * 1000;
  if (events.timeout == 0) return 0;
  const auto& timeout = *reinterpret_cast<const __kernel_timespec*>(events.timeout);
  if (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec >= 1'000'000'000) return -EINVAL;
  const int64_t now_ns = simulation_.now_ns();
  const int64_t most_seconds = (Simulation::kNever - now_ns) / 1'000'000'000 - 1;
  if (timeout.tv_sec < most_seconds) {
    patience.deadline_ns = now_ns + timeout.tv_sec * 1'000'000'000 + timeout.tv_nsec;
  }
  return 0;
}

int Uring::get_events(unsigned wanted, const Patience& patience, bool submitted) {
  simulation_.waits_on(host_, shared_from_this());
  wanted = std::min(wanted, words_->cq_entries);
  simulation_.settle();  // over loopback, what was submitted has its effect at once
  const bool had_events = has_events();
  run_task_work(std::max(kTaskWorkPerPass, wanted));
  if (completions_.flush()) signal();
  if (completions_.ready() >= wanted) {
    if (wanted == 0 && !had_events && !submitted) {
      simulation_.idle();
    } else {
      simulation_.busy();
    }
    return 0;
  }
  if (simulation_.strikes(Fault::kInterrupted, host_)) {
    return completions_.ready() != 0 ? 0 : -EINTR;
  }
  return await(wanted, patience);
}

// io_cqring_wait: a minimum wait is for all that is wanted; what has come by its end is enough, and
// if that is nothing, one completion is.
int Uring::await(unsigned wanted, const Patience& patience) {
  const int64_t min_until_ns =
      std::min(simulation_.now_ns() + patience.min_wait_ns, patience.deadline_ns);
  bool gathers = patience.min_wait_ns != 0;
  for (;;) {
    const auto waited =
        simulation_.wait(gathers ? min_until_ns : patience.deadline_ns, [this, wanted] {
          return host_.has_died() || completions_.overflows() ||
                 completions_.ready() + due_.size() >= wanted;
        });
    if (host_.has_died()) return -ESRCH;
    if (waited == Simulation::Waited::kDeadlocked) return -EDEADLK;
    run_task_work(std::max(kTaskWorkPerPass, wanted));
    if (completions_.flush()) signal();
    if (completions_.ready() >= wanted) return 0;
    if (waited != Simulation::Waited::kTimedOut) continue;
    if (completions_.ready() != 0) return 0;
    if (!gathers || min_until_ns == patience.deadline_ns) return -ETIME;
    gathers = false;
    wanted = 1;
  }
}

}  // namespace eddy::sim
