// What a message costs in buffers and queues: the parts of the hot path that are eddy's own.
#include <benchmark/benchmark.h>
#include <eddy/core/buffer_ring.h>
#include <eddy/core/linux_kernel.h>
#include <eddy/core/slice_queue.h>

namespace eddy {
namespace {

constexpr size_t kMessageBytes = 64;
constexpr size_t kLeastRoom = 4096;

// A message is put into a segment by hand, looked at and let go of.
void fill_and_release(benchmark::State& state) {
  const auto ring = BufferRing::make(linux_kernel(), {});
  SegmentCursor cursor(*ring);
  for (auto _ : state) {
    benchmark::DoNotOptimize(cursor.room(kLeastRoom).data());
    const Slice message = cursor.fill(kMessageBytes);
    benchmark::DoNotOptimize(message.data());
  }
}
BENCHMARK(fill_and_release);

// … and goes through an output queue on its way.
void fill_queue_and_send(benchmark::State& state) {
  const auto ring = BufferRing::make(linux_kernel(), {});
  SegmentCursor cursor(*ring);
  SlicePool pool;
  SliceQueue queue;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cursor.room(kLeastRoom).data());
    queue.push(pool, cursor.fill(kMessageBytes));
    benchmark::DoNotOptimize(queue.front().data());
    queue.consume(pool, kMessageBytes);
  }
}
BENCHMARK(fill_queue_and_send);

// One slice in many queues: a broadcast, by receiver.
void broadcast(benchmark::State& state) {
  const auto receivers = static_cast<size_t>(state.range(0));
  SlicePool pool;
  std::vector<SliceQueue> queues(receivers);
  const Slice message = Slice::copy_of(std::string(16 * 1024, 'x'));
  for (auto _ : state) {
    for (SliceQueue& queue : queues) queue.push(pool, Slice(message));
    for (SliceQueue& queue : queues) queue.clear(pool);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(broadcast)->Arg(100)->Arg(10'000);

// The seam: the cheapest call through Kernel, beside which a system call takes a hundred times as
// long.
void seam(benchmark::State& state) {
  Kernel& kernel = linux_kernel();
  benchmark::DoNotOptimize(&kernel);
  for (auto _ : state) benchmark::DoNotOptimize(kernel.monotonic_ns());
}
BENCHMARK(seam);

void without_seam(benchmark::State& state) {
  for (auto _ : state) {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    benchmark::DoNotOptimize(int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec);
  }
}
BENCHMARK(without_seam);

}  // namespace
}  // namespace eddy
