// The reactor: one thread, one loop, and everything that waits in it.
//
// A turn is three steps: prepare (start what the callbacks of the last turn asked for), wait (one
// call of the kernel), dispatch (completions, timers, posted and deferred work). `run` is a loop
// over turns. A foreign loop embeds the reactor with `poll_fd`, `next_deadline` and `run_once(0)`.
//
// Ownership: the reactor owns its descriptors, buffers and slots; streams, watches and timers that
// users hold are handles. Destroying a reactor closes whatever is left, without callbacks, and
// waits for the kernel to let go.
//
// Threads: a reactor belongs to the thread that first runs it. `post`, `stop` and
// `Notifier::notify` may be called from any thread, everything else from the reactor's own. That
// thread also destroys it. A child of fork(2) must not use its parent's reactor.
//
// Failure: what cannot fail returns nothing; the rest returns a Result. Callbacks that throw end
// the program.
#pragma once

#include <eddy/core/backend.h>
#include <eddy/core/choose_backend.h>
#include <eddy/core/error.h>
#include <eddy/core/histogram.h>
#include <eddy/core/inline_function.h>
#include <eddy/core/loop.h>
#include <eddy/core/mailbox.h>
#include <eddy/core/message.h>
#include <eddy/core/notifier.h>
#include <eddy/core/output_room.h>
#include <eddy/core/pipe_pool.h>
#include <eddy/core/slot_pool.h>
#include <eddy/core/stats.h>
#include <eddy/core/time.h>
#include <eddy/core/timer_wheel.h>
#include <eddy/core/turn.h>
#include <eddy/core/watch.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace eddy {

struct ReactorOptions {
  BackendKind backend = BackendKind::kAuto;
  BufferRingOptions buffers{};
  // For datagrams and their like, apart from the above: core/message.h.
  MessageBufferOptions message_buffers{};
  // Latency over CPU: poll for so long before sleeping.
  std::chrono::microseconds spin{0};
  // CPU over latency: let completions gather for so long before waking (io_uring, Linux 6.12; else
  // without effect).
  std::chrono::microseconds min_wait{0};
  // How late the kernel may wake this thread to save power: prctl(PR_SET_TIMERSLACK), set by the
  // first run. 0 leaves the thread's own, commonly 50 µs.
  std::chrono::nanoseconds timer_slack{1};
  // What io_uring may receive for one stream before it is asked again, so what can still arrive
  // after `pause`: 1 byte to 1 GiB, else the nearest of these.
  uint32_t receive_quota_bytes = 1024 * 1024;
  // Sends of at least so many queued bytes are zero-copy, over TCP (MSG_ZEROCOPY; SEND_ZC on
  // io_uring): the kernel reads the slices in place until the peer has acknowledged them, and a
  // segment of the buffer ring is not filled again before that. 0 is never: it pays with a network
  // card that takes memory as it lies, from some 16 KiB on, and costs on loopback, where the kernel
  // copies after all; a stream on which it did is not tried again. docs/performance.md has figures.
  uint32_t zero_copy_bytes = 0;
  // Pretend that the kernel lacks what newer ones have: for tests, and for comparing.
  bool avoid_incremental_buffers = false;
  bool avoid_receive_limit = false;
};

// One turn, as the trace hook sees it.
struct TurnTrace {
  uint64_t number = 0;
  std::chrono::nanoseconds waited{0};      // in the kernel
  std::chrono::nanoseconds dispatched{0};  // in callbacks and eddy
  uint64_t completions = 0;
  uint64_t timers = 0;
  uint64_t posted = 0;
};

struct ReactorStats {
  Counters counters;
  size_t slots = 0;            // descriptors in the loop: streams, listeners, watches
  size_t segments_in_use = 0;  // of the buffer ring
  size_t pinned_bytes = 0;     // of segments that are full and wait for their last Slice
  size_t timers = 0;
  const Histogram* loop_lag_ns = nullptr;  // how late due timers were when the loop got to them
  const Histogram* callback_time_ns = nullptr;  // what a turn spent in callbacks
};

class Reactor final : private Loop {
 public:
  // Keeps an error of its set-up, and gives it to the first call that can return it.
  explicit Reactor(const ReactorOptions& options = {});
  explicit Reactor(Kernel& kernel, const ReactorOptions& options = {});
  static Result<std::unique_ptr<Reactor>> open(const ReactorOptions& options = {});
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Why the set-up failed, if it did.
  const std::optional<Error>& error() const { return error_; }
  const BackendChoice& backend() const { return choice_; }

  // --- Running
  // Turns until `stop`, or until nothing is left that could happen: no open slot or armed timer
  // that is referenced, no `ref`, nothing deferred. 0, or 1 after printing the error that made it
  // impossible.
  int run();
  // As `run`, and the error is the caller's to tell.
  Result<void> run_to_end();
  // One turn: waits at most `timeout` (negative: without an end). How many callbacks' worth of
  // events it dispatched.
  Result<size_t> run_once(std::chrono::nanoseconds timeout = std::chrono::nanoseconds(-1));
  // Ends `run` after the present turn. Any thread.
  void stop();
  // Keeps `run` from returning though nothing is left, for a thread that will post, say; each ref
  // wants its unref.
  void ref() { ++references_; }
  void unref() { --references_; }
  bool alive() const;

  // --- Embedding in a foreign loop: wait for `poll_fd` to be readable or for `next_deadline`, then
  // `run_once(0)`. Before each wait `prepare` must be called: it starts what was asked for since
  // the last turn, has posts from other threads wake `poll_fd`, and tells whether there is
  // something to do at once.
  int poll_fd();
  std::optional<TimePoint> next_deadline();
  bool prepare();

  // --- Time
  TimePoint now() const;
  TimePoint turn_time() const { return turn_time_; }  // when the present turn's wait ended

  // Timers: see core/timer_wheel.h for what they promise.
  TimerId start_timer(std::chrono::nanoseconds delay, TimerCallback callback,
                      TimerOptions options = {});
  TimerId start_timer_at(TimePoint deadline, TimerCallback callback, TimerOptions options = {});
  bool cancel_timer(TimerId id) { return timers_.cancel(id); }
  bool restart_timer(TimerId id, std::chrono::nanoseconds delay);
  TimerWheel& timers() { return timers_; }

  // --- Work
  // Runs after the present turn's completions, or in the next turn if none is under way. False: no
  // memory.
  bool defer(InlineFunction<void()> work);
  // Runs on the reactor's thread. Any thread, not a signal handler (that is what a Notifier is
  // for). False: no memory.
  template <typename F>
  bool post(F&& work) noexcept {
    return mailbox_.post(std::forward<F>(work));
  }
  // For `Notifier notifier(reactor.mailbox(), callback)`.
  Mailbox& mailbox() { return mailbox_; }
  // Called each time before the loop sleeps. The id ends it; 0: no memory.
  size_t before_sleep(InlineFunction<void()> hook);
  void remove_before_sleep(size_t id);

  // --- Readiness of any descriptor of the user's own: core/watch.h.
  Result<Watch> watch(int fd, Interest interest, InlineFunction<void(Interest)> callback);
  // Called with how often the signal came since the last call. The signal's disposition is restored
  // at `close`. EINVAL for what cannot be caught (SIGKILL, SIGSTOP), and for what tells of a fault
  // of the program's own (SIGSEGV, SIGBUS, SIGFPE, SIGILL).
  Result<Watch> on_signal(int signal_number, InlineFunction<void(int64_t)> callback);

  // --- Looking
  ReactorStats stats() const;
  void set_trace(InlineFunction<void(const TurnTrace&)> hook);

  // --- For what is built on a reactor (net, protocols): operations on slots.
  Kernel& kernel() { return kernel_; }
  Turn& turn() { return *turn_; }
  Backend& operations() { return *backend_; }
  // A slot of the reactor's, counted by `alive`; nullptr when memory has run out. `extra` bytes lie
  // behind it.
  template <typename T, typename... Arguments>
  T* make_slot(size_t extra, Arguments&&... arguments) {
    T* slot = pool_.make<T>(extra, std::forward<Arguments>(arguments)...);
    if (slot != nullptr) enlist(*slot);
    return slot;
  }
  // Frees the slot at the end of this turn. Called once, from on_closed or when it was never added.
  void retire(Slot& slot);
  void set_keeps_alive(Slot& slot, bool keeps);
  // A descriptor that the user hands in, to be watched, adopted or listened on, is in the loop once
  // at a time: 0, -EEXIST or -ENOMEM. `disclaim` when its slot is being closed. What eddy makes
  // itself is claimed by nobody.
  int claim(int fd);
  void disclaim(int fd);
  // Where `Stream::reserve` and copies of the user's bytes are written.
  OutputRoom& output_room() { return *output_room_; }
  // What bytes pass through that never enter user space.
  PipePool& pipes() { return pipes_; }
  // The caller is on the reactor's thread, or the reactor has not run yet.
  bool on_own_thread() const;
  // False in a child of fork(2), where what is destroyed must leave the kernel's state alone: it is
  // the parent's.
  bool of_this_process() const { return kernel_.process_id() == process_; }

 private:
  class EventfdWaker final : public Waker {
   public:
    explicit EventfdWaker(Kernel& kernel) : kernel_(kernel) {}
    void wake() noexcept override {
      kernel_.write_eventfd(fd);
      if (const int polled = polled_fd.load(std::memory_order_acquire); polled >= 0) {
        kernel_.write_eventfd(polled);
      }
    }
    int fd = -1;
    // What a foreign loop polls, if that is an eventfd. It is written as well: a ring that is told
    // of a write to `fd` signals its own eventfd late, since the kernel does not let one eventfd
    // signal another from within.
    std::atomic<int> polled_fd{-1};

   private:
    Kernel& kernel_;
  };

  // --- For a kernel that drives its loops' turns
  void drive() override;
  bool has_work() const override;
  bool in_turn() const override { return in_turn_; }
  int64_t due_ns() override;

  Result<void> set_up(const ReactorOptions& options);
  Result<void> make_backend_and_buffers(const ReactorOptions& options);
  Result<void> check_thread();
  void enlist(Slot& slot);
  Result<size_t> turn_once(int64_t timeout_ns);
  void start_asked_for();
  int64_t time_to_wait(int64_t timeout_ns);
  int wait(int64_t timeout_ns);
  bool spin(int64_t wait_ns);
  void run_sleep_hooks();
  size_t dispatch();
  void finish_turn(size_t timers, size_t posted);
  void flush_dirty();
  void relieve_ring();
  void relieve_ring_again();
  void relocate_queues(bool all);
  void trim_ring_later();
  void run_deferred();
  void free_retired();
  void close_everything();

  Kernel& kernel_;
  const ReactorOptions options_;
  std::optional<Error> error_;
  BackendChoice choice_;
  EventfdWaker waker_;
  Mailbox mailbox_;
  BufferRing::Owner ring_;
  SlotPool pool_;
  std::optional<Turn> turn_;
  std::optional<OutputRoom> output_room_;
  PipePool pipes_;
  std::unique_ptr<Backend> backend_;
  TimerWheel timers_;
  TimerId trim_timer_;
  TimerId relief_timer_;
  std::chrono::milliseconds relief_delay_{};
  Slot* live_ = nullptr;  // all slots
  ReadyList retired_;     // no backend has a slot in its own ready lists by then
  std::vector<InlineFunction<void()>> deferred_;
  std::vector<std::pair<size_t, InlineFunction<void()>>> sleep_hooks_;
  size_t next_hook_ = 1;
  std::vector<int> claimed_;  // sorted

  size_t slots_ = 0;
  size_t slots_keeping_alive_ = 0;
  size_t references_ = 0;
  std::atomic<bool> stop_{false};
  bool in_turn_ = false;
  bool work_left_ = false;  // after the last turn that was driven
  uint64_t thread_ = 0;     // 0: has not run yet
  int process_ = 0;
  TimePoint turn_time_{};
  TimePoint wait_began_{};
  Histogram loop_lag_;
  Histogram callback_time_;
  InlineFunction<void(const TurnTrace&)> trace_;
};

}  // namespace eddy
