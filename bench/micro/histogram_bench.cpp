// The histogram: recording, reading, merging, resetting.
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>
#include <eddy/core/histogram.h>

namespace eddy {
namespace {

// Latencies as they are met: log-normal about 50 µs, with a tail.
std::vector<std::int64_t> latencies() {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> distribution(10.8, 0.7);
  std::vector<std::int64_t> values(4096);
  for (std::int64_t& value : values) value = static_cast<std::int64_t>(distribution(random));
  return values;
}

Histogram filled(int digits) {
  Histogram histogram({.digits = digits});
  for (const std::int64_t value : latencies()) histogram.record(value);
  return histogram;
}

void record(benchmark::State& state) {
  Histogram histogram({.digits = static_cast<int>(state.range(0))});
  const std::vector<std::int64_t> values = latencies();
  std::size_t next = 0;
  for (auto _ : state) histogram.record(values[next++ % values.size()]);
  benchmark::DoNotOptimize(histogram.percentile(50));
}
BENCHMARK(record)->ArgName("digits")->Arg(2)->Arg(3);

void percentile(benchmark::State& state) {
  const Histogram histogram = filled(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(histogram.percentile(99.9));
}
BENCHMARK(percentile)->ArgName("digits")->Arg(2)->Arg(3);

void merge_and_reset(benchmark::State& state) {
  const Histogram histogram = filled(static_cast<int>(state.range(0)));
  Histogram sum(histogram.layout().options());
  for (auto _ : state) {
    benchmark::DoNotOptimize(sum.merge(histogram));
    sum.reset();
  }
}
BENCHMARK(merge_and_reset)->ArgName("digits")->Arg(2)->Arg(3);

void construct(benchmark::State& state) {
  for (auto _ : state) {
    Histogram histogram({.digits = static_cast<int>(state.range(0))});
    histogram.record(50'000);
    benchmark::DoNotOptimize(histogram.percentile(50));
  }
}
BENCHMARK(construct)->ArgName("digits")->Arg(2)->Arg(3);

}  // namespace
}  // namespace eddy
