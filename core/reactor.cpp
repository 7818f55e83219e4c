#include <eddy/core/check.h>
#include <eddy/core/linux_kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/core/vector_room_internal.h>
#include <errno.h>

#include <algorithm>
#include <string>

namespace eddy {
namespace {

constexpr int64_t kForever = -1;

// The histograms of the loop's own times: two digits, up to a minute.
Histogram make_loop_histogram() { return Histogram({.highest = 60'000'000'000, .digits = 2}); }

TimePoint to_time(int64_t ns) { return TimePoint(std::chrono::nanoseconds(ns)); }

}  // namespace

// --- Beginning and end

Reactor::Reactor(const ReactorOptions& options) : Reactor(linux_kernel(), options) {}

Reactor::Reactor(Kernel& kernel, const ReactorOptions& options)
    : kernel_(kernel),
      options_(options),
      waker_(kernel),
      mailbox_(waker_),
      pipes_(kernel),
      timers_(to_time(kernel.monotonic_ns())),
      turn_time_(now()),
      loop_lag_(make_loop_histogram()),
      callback_time_(make_loop_histogram()) {
  try {
    if (auto ready = set_up(options); !ready) error_ = ready.error();
  } catch (const std::bad_alloc&) {
    error_.emplace(errno_code(ENOMEM), "Reactor");
  }
}

Result<std::unique_ptr<Reactor>> Reactor::open(const ReactorOptions& options) {
  auto reactor = std::make_unique<Reactor>(options);
  if (reactor->error_) return std::unexpected(*reactor->error_);
  return reactor;
}

Result<void> Reactor::set_up(const ReactorOptions& options) {
  process_ = kernel_.process_id();
  auto choice = choose_backend(kernel_, options);
  if (!choice) return std::unexpected(choice.error());
  choice_ = *choice;
  if (auto made = make_backend_and_buffers(options); !made) {
    // What was tried out was smaller: the limits that this process has may allow no more.
    auto second = second_choice(choice_, options, made.error());
    if (!second) return made;
    choice_ = *second;
    if (made = make_backend_and_buffers(options); !made) return made;
  }
  waker_.fd = kernel_.eventfd();
  if (waker_.fd < 0) return failure(waker_.fd, "eventfd");
  auto wake =
      watch(waker_.fd, Interest::kReadable, [this](Interest) { kernel_.read_eventfd(waker_.fd); });
  if (!wake) return std::unexpected(wake.error());
  wake->set_keeps_alive(false);
  kernel_.attach(*this);
  return {};
}

Result<void> Reactor::make_backend_and_buffers(const ReactorOptions& options) {
  output_room_.reset();
  ring_ = BufferRing::make(kernel_, suitable_buffers(choice_, options.buffers));
  if (ring_ == nullptr) return failure(-ENOMEM, "mmap", "buffer ring");
  turn_.emplace(kernel_, *ring_, options.message_buffers);
  output_room_.emplace(*ring_);
  auto backend = make_backend(choice_, *turn_, options);
  if (!backend) return std::unexpected(backend.error());
  backend_ = std::move(*backend);
  return {};
}

Reactor::~Reactor() {
  EDDY_REQUIRE_ALWAYS(!in_turn_, "a Reactor was destroyed by one of its own callbacks");
  EDDY_REQUIRE(on_own_thread(),
               "a Reactor was destroyed by a thread that is not the one that ran it");
  kernel_.detach(*this);
  mailbox_.discard();
  waker_.polled_fd.store(-1, std::memory_order_relaxed);
  if (backend_ != nullptr) close_everything();
  backend_.reset();
  output_room_.reset();
  if (waker_.fd >= 0) kernel_.close(waker_.fd);
}

// Cancels all, and takes completions until the kernel has let go: only then may memory be unmapped,
// since closing a ring does not stop the kernel's writes at once.
void Reactor::close_everything() {
  free_retired();  // those that never came to be open: nothing of them is to be waited for
  while (live_ != nullptr && of_this_process()) {
    for (Slot* slot = live_; slot != nullptr; slot = slot->next_live) slot->abandon();
    if (backend_->wait(kForever) < 0) break;
    backend_->dispatch();
    free_retired();
  }
  // Reached with slots only in a forked child, or when the kernel refuses to wait: there is nothing
  // to be reaped.
  while (live_ != nullptr) {
    live_->retired = live_->in_ready_list = false;
    retire(*live_);
    free_retired();
  }
}

bool Reactor::on_own_thread() const { return thread_ == 0 || thread_ == kernel_.thread_id(); }

// --- Slots

void Reactor::enlist(Slot& slot) {
  slot.previous_live = nullptr;
  slot.next_live = live_;
  if (live_ != nullptr) live_->previous_live = &slot;
  live_ = &slot;
  ++slots_;
  ++slots_keeping_alive_;
}

void Reactor::retire(Slot& slot) {
  EDDY_INVARIANT(!slot.retired, "a slot was retired twice");
  slot.retired = true;
  slot.closing = true;
  retired_.push(slot);
}

void Reactor::free_retired() {
  // Destroying a slot may destroy the user's callbacks, whose captures may retire more.
  while (Slot* slot = retired_.pop()) {
    if (slot->in_dirty_list) {
      turn_->dirty.remove_if([](const Slot& marked) { return marked.retired; });
    }
    (slot->previous_live == nullptr ? live_ : slot->previous_live->next_live) = slot->next_live;
    if (slot->next_live != nullptr) slot->next_live->previous_live = slot->previous_live;
    --slots_;
    slots_keeping_alive_ -= slot->keeps_loop_alive ? 1 : 0;
    pool_.free(*slot);
  }
}

void Reactor::set_keeps_alive(Slot& slot, bool keeps) {
  if (slot.keeps_loop_alive == keeps) return;
  slot.keeps_loop_alive = keeps;
  slots_keeping_alive_ += keeps ? 1 : -1;
}

// --- Running

int Reactor::run() {
  const auto ended = run_to_end();
  if (ended) return 0;
  report(ended.error());
  return 1;
}

Result<void> Reactor::run_to_end() {
  EDDY_REQUIRE_ALWAYS(!in_turn_,
                      "Reactor::run or run_once was called by a callback of this reactor");
  while (!error_ && !stop_.load(std::memory_order_relaxed) && alive()) {
    if (auto turned = turn_once(kForever); !turned) error_ = turned.error();
  }
  stop_.store(false, std::memory_order_relaxed);
  if (error_) return std::unexpected(*error_);
  return {};
}

Result<size_t> Reactor::run_once(std::chrono::nanoseconds timeout) {
  if (error_) return std::unexpected(*error_);
  return turn_once(timeout.count());
}

void Reactor::stop() {
  stop_.store(true, std::memory_order_relaxed);
  if (waker_.fd >= 0) kernel_.write_eventfd(waker_.fd);
}

bool Reactor::alive() const {
  return slots_keeping_alive_ != 0 || references_ != 0 || timers_.referenced() != 0 ||
         !deferred_.empty() || !retired_.empty();
}

// The first turn binds the reactor to its thread.
Result<void> Reactor::check_thread() {
  if (!of_this_process()) [[unlikely]] {
    return failure(-ECHILD, "Reactor::run", {},
                   "a reactor does not survive fork: make one in the child");
  }
  if (thread_ != 0) {
    EDDY_REQUIRE(on_own_thread(), "a Reactor was run by a second thread");
    return {};
  }
  thread_ = kernel_.thread_id();
  if (options_.timer_slack.count() > 0) kernel_.set_timer_slack(options_.timer_slack.count());
  return {};
}

Result<size_t> Reactor::turn_once(int64_t timeout_ns) {
  if (auto mine = check_thread(); !mine) return std::unexpected(mine.error());
  EDDY_REQUIRE_ALWAYS(!in_turn_,
                      "Reactor::run or run_once was called by a callback of this reactor");
  in_turn_ = true;
  start_asked_for();
  const int failed = wait(timeout_ns);
  const size_t events = failed < 0 ? 0 : dispatch();
  in_turn_ = false;
  if (failed == 0) return events;
  return failure(failed, choice_.kind == BackendKind::kEpoll ? "epoll_pwait2" : "io_uring_enter");
}

// The foreign loop sleeps in our place, so all that `wait` does before it sleeps is done here.
bool Reactor::prepare() {
  if (error_) return false;
  EDDY_REQUIRE_ALWAYS(!in_turn_, "Reactor::prepare was called by a callback of this reactor");
  in_turn_ = true;
  start_asked_for();
  if (time_to_wait(kForever) != 0) run_sleep_hooks();
  const bool awaited = backend_->submit();
  in_turn_ = false;
  return awaited || backend_->has_ready() || !deferred_.empty() || !retired_.empty() ||
         !mailbox_.prepare_sleep();
}

void Reactor::drive() {
  if (auto turned = run_once(std::chrono::nanoseconds::zero()); !turned) error_ = turned.error();
  work_left_ = prepare();
}

bool Reactor::has_work() const {
  if (error_) return false;
  return work_left_ || !turn_->dirty.empty() || !deferred_.empty() || !retired_.empty() ||
         backend_->has_ready() || backend_->has_unsubmitted();
}

int64_t Reactor::due_ns() {
  if (error_) return INT64_MAX;
  const auto deadline = timers_.next_deadline();
  return deadline ? deadline->time_since_epoch().count() : INT64_MAX;
}

// What was asked for outside a turn, perhaps long after the last one.
void Reactor::start_asked_for() {
  if (turn_->dirty.empty()) return;
  turn_time_ = now();
  flush_dirty();
}

int64_t Reactor::time_to_wait(int64_t timeout_ns) {
  if (timeout_ns == 0 || !deferred_.empty() || !retired_.empty() || backend_->has_ready() ||
      stop_.load(std::memory_order_relaxed)) {
    return 0;
  }
  const auto deadline = timers_.next_deadline();
  if (!deadline) return timeout_ns;
  const int64_t until = std::max<int64_t>((*deadline - now()).count(), 0);
  return timeout_ns < 0 ? until : std::min(until, timeout_ns);
}

int Reactor::wait(int64_t timeout_ns) {
  wait_began_ = now();
  int64_t wait_ns = time_to_wait(timeout_ns);
  // From here on a post wakes the loop, also while it spins.
  if (wait_ns != 0 && !mailbox_.prepare_sleep()) wait_ns = 0;
  const bool found = wait_ns != 0 && options_.spin.count() > 0 && spin(wait_ns);
  if (wait_ns != 0 && !found && (!sleep_hooks_.empty() || options_.spin.count() > 0)) {
    run_sleep_hooks();
    wait_ns = time_to_wait(timeout_ns);  // time has passed, and hooks may have started timers
  }
  const int result = found ? 0 : backend_->wait(wait_ns);
  turn_time_ = now();
  mailbox_.woken();
  return result;
}

// Whether something came while the loop looked without sleeping.
bool Reactor::spin(int64_t wait_ns) {
  using std::chrono::nanoseconds;
  constexpr auto kLongest = std::chrono::floor<std::chrono::microseconds>(nanoseconds::max());
  const int64_t longest = nanoseconds(std::min(options_.spin, kLongest)).count();
  const TimePoint until =
      after(wait_began_, nanoseconds(wait_ns < 0 ? longest : std::min(wait_ns, longest)));
  do {
    if (backend_->wait(0) < 0) return false;
    if (backend_->has_ready()) return true;
  } while (now() < until);
  return false;
}

// A hook may remove itself and others, and add some.
void Reactor::run_sleep_hooks() {
  const auto id_of = [](const auto& entry) { return entry.first; };
  for (size_t last = 0;;) {
    const auto next = std::ranges::upper_bound(sleep_hooks_, last, {}, id_of);
    if (next == sleep_hooks_.end()) break;
    last = next->first;
    InlineFunction<void()> hook = std::move(next->second);
    hook();
    const auto still = std::ranges::find(sleep_hooks_, last, id_of);
    if (still != sleep_hooks_.end()) still->second = std::move(hook);
  }
  flush_dirty();
}

size_t Reactor::dispatch() {
  ++turn_->counters.turns;
  const uint64_t before = turn_->counters.completions;
  backend_->dispatch();
  const auto due = timers_.size() != 0 ? timers_.next_deadline() : std::nullopt;
  size_t timers = 0;
  if (due && *due <= turn_time_) {
    timers = timers_.expire(turn_time_);
    // The wheel may have known no better than a timer that was cancelled: then nothing fired, and
    // nothing was late.
    if (timers != 0) loop_lag_.record((turn_time_ - *due).count());
  }
  const size_t posted = mailbox_.drain();
  run_deferred();
  flush_dirty();
  if (turn_->relief_wanted) relieve_ring();
  free_retired();
  if (ring_->has_grown()) trim_ring_later();
  finish_turn(timers, posted);
  return turn_->counters.completions - before + timers + posted;
}

void Reactor::finish_turn(size_t timers, size_t posted) {
  const TimePoint end = now();
  callback_time_.record((end - turn_time_).count());
  if (!trace_) return;
  trace_(TurnTrace{.number = turn_->counters.turns,
                   .waited = turn_time_ - wait_began_,
                   .dispatched = end - turn_time_,
                   .completions = turn_->counters.completions,
                   .timers = timers,
                   .posted = posted});
}

void Reactor::flush_dirty() {
  while (Slot* slot = turn_->dirty.pop()) {
    if (!slot->closing) slot->flush();
  }
}

void Reactor::run_deferred() {
  // What is deferred meanwhile runs in the next turn.
  std::vector<InlineFunction<void()>> work;
  work.swap(deferred_);
  for (auto& item : work) item();
  work.clear();
  if (deferred_.empty()) deferred_.swap(work);  // keeps the memory
}

// --- Time, work, hooks

TimePoint Reactor::now() const { return to_time(kernel_.monotonic_ns()); }

int Reactor::poll_fd() {
  if (backend_ == nullptr) return -1;
  const int fd = backend_->poll_descriptor();
  if (backend_->polls_eventfd()) waker_.polled_fd.store(fd, std::memory_order_release);
  return fd;
}

std::optional<TimePoint> Reactor::next_deadline() { return timers_.next_deadline(); }

TimerId Reactor::start_timer(std::chrono::nanoseconds delay, TimerCallback callback,
                             TimerOptions options) {
  return timers_.start(after(now(), delay), std::move(callback), options);
}

TimerId Reactor::start_timer_at(TimePoint deadline, TimerCallback callback, TimerOptions options) {
  return timers_.start(deadline, std::move(callback), options);
}

bool Reactor::restart_timer(TimerId id, std::chrono::nanoseconds delay) {
  return timers_.restart(id, after(now(), delay));
}

bool Reactor::defer(InlineFunction<void()> work) {
  if (!make_room(deferred_)) return false;
  deferred_.push_back(std::move(work));
  return true;
}

size_t Reactor::before_sleep(InlineFunction<void()> hook) {
  if (!make_room(sleep_hooks_)) return 0;
  sleep_hooks_.emplace_back(next_hook_, std::move(hook));
  return next_hook_++;
}

void Reactor::remove_before_sleep(size_t id) {
  std::erase_if(sleep_hooks_, [id](const auto& entry) { return entry.first == id; });
}

// --- Looking

ReactorStats Reactor::stats() const {
  ReactorStats stats;
  stats.loop_lag_ns = &loop_lag_;
  stats.callback_time_ns = &callback_time_;
  stats.slots = slots_;
  stats.timers = timers_.size();
  if (!turn_) return stats;
  stats.counters = turn_->counters;
  stats.segments_in_use = ring_->in_use();
  stats.pinned_bytes = ring_->pinned_bytes();
  return stats;
}

void Reactor::set_trace(InlineFunction<void(const TurnTrace&)> hook) { trace_ = std::move(hook); }

}  // namespace eddy
