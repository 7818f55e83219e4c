// How fast one thread hands callables to another's loop: eddy's Mailbox behind an eventfd and
// poll(2), asio::post to an io_context that one thread runs, and libuv's uv_async_send with a queue
// behind a mutex, as its documentation has it written. All three run the same callable, which
// counts; loop and producer are pinned to two cores. The counters are nanoseconds per callable, and
// eddy's throughput over the others'.
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <asio.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <uv.h>

#include <eddy/core/mailbox.h>

namespace {

using Clock = std::chrono::steady_clock;

void pin_this_thread(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
}

// Starts a producer on the other core that posts `items` callables, each of which counts itself,
// and runs the loop here until `*count` is `items`. Returns nanoseconds per callable.
template <typename Post, typename RunLoop>
double measure(int64_t items, Post post, RunLoop run_loop) {
  int64_t count = 0;
  const auto start = Clock::now();
  std::thread producer([&] {
    pin_this_thread(1);
    for (int64_t i = 0; i < items; ++i) post([&count] { ++count; });
  });
  run_loop([&count, items] { return count == items; });
  const std::chrono::duration<double, std::nano> elapsed = Clock::now() - start;
  producer.join();
  return elapsed.count() / static_cast<double>(items);
}

class EventfdLoop final : public eddy::Waker {
 public:
  EventfdLoop() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~EventfdLoop() { close(fd_); }

  void wake() noexcept override { eventfd_write(fd_, 1); }

  // A turn always asks the kernel what is ready, as a loop with sockets must.
  void turn(eddy::Mailbox& mailbox) {
    pollfd entry = {.fd = fd_, .events = POLLIN, .revents = 0};
    const int timeout_ms = mailbox.prepare_sleep() ? -1 : 0;
    if (poll(&entry, 1, timeout_ms) > 0) {
      eventfd_t value;
      eventfd_read(fd_, &value);
    }
    mailbox.woken();
    mailbox.drain();
  }

 private:
  int fd_;
};

double measure_eddy(int64_t items) {
  EventfdLoop loop;
  eddy::Mailbox mailbox(loop);
  return measure(
      items, [&](auto callable) { mailbox.post(callable); },
      [&](auto done) {
        while (!done()) loop.turn(mailbox);
      });
}

double measure_asio(int64_t items) {
  asio::io_context context(1);
  auto work = asio::make_work_guard(context);
  return measure(
      items, [&](auto callable) { asio::post(context, callable); },
      [&](auto done) {
        while (!done()) context.run_one();
      });
}

// As in libuv's guide: uv_async_send coalesces, so the callback takes all that is in the queue.
class UvQueue {
 public:
  UvQueue() {
    uv_loop_init(&loop_);
    uv_async_init(&loop_, &async_,
                  [](uv_async_t* async) { static_cast<UvQueue*>(async->data)->drain(); });
    async_.data = this;
  }
  ~UvQueue() {
    uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }

  template <typename F>
  void post(F callable) {
    {
      const std::lock_guard lock(mutex_);
      queue_.emplace_back(callable);
    }
    uv_async_send(&async_);
  }

  void turn() { uv_run(&loop_, UV_RUN_ONCE); }

 private:
  void drain() {
    taken_.clear();
    {
      const std::lock_guard lock(mutex_);
      taken_.swap(queue_);
    }
    for (auto& callable : taken_) callable();
  }

  uv_loop_t loop_;
  uv_async_t async_;
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> queue_;
  std::vector<std::move_only_function<void()>> taken_;
};

double measure_uv(int64_t items) {
  UvQueue queue;
  return measure(
      items, [&](auto callable) { queue.post(callable); },
      [&](auto done) {
        while (!done()) queue.turn();
      });
}

// One repetition is one round of all three, so that the aggregates over the repetitions are those
// of interleaved rounds, and the median of `over_asio` is the median of paired ratios.
void post(benchmark::State& state) {
  pin_this_thread(0);
  for (auto _ : state) {
    const double eddy_ns = measure_eddy(state.range(0));
    const double asio_ns = measure_asio(state.range(0));
    const double uv_ns = measure_uv(state.range(0));
    state.SetIterationTime(eddy_ns * 1e-9);
    state.counters = {{"eddy_ns", eddy_ns},
                      {"asio_ns", asio_ns},
                      {"uv_ns", uv_ns},
                      {"over_asio", asio_ns / eddy_ns},
                      {"over_uv", uv_ns / eddy_ns}};
  }
}
BENCHMARK(post)
    ->Arg(500'000)
    ->Iterations(1)
    ->Repetitions(15)
    ->UseManualTime()
    ->DisplayAggregatesOnly();

}  // namespace
