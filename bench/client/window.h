// The measured window: what is counted between its two edges, and how that is printed.
//
// The client reads the server's CPU clock itself, at the very turns where its window opens and
// closes, so that requests, wall time and CPU time are of one and the same interval.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>

#include "options.h"

namespace bench {

[[noreturn]] void fail(const std::string& what);
[[noreturn]] void fail_errno(const std::string& what);
uint64_t now_ns();

// Log-linear: 32 buckets an octave, so a percentile is right within about 3 %.
class Histogram {
 public:
  void record(uint64_t ns) { ++counts_[index(ns)]; }
  void clear() { counts_.fill(0); }
  double percentile_us(double p) const;

 private:
  static size_t index(uint64_t ns) {
    if (ns < 32) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 6;
    return size_t{shift + 1} * 32 + ((ns >> shift) - 32);
  }
  static uint64_t value(size_t i) { return i < 32 ? i : (32 + i % 32) << (i / 32 - 1); }
  std::array<uint64_t, 60 * 32> counts_{};
};

class Window {
 public:
  explicit Window(const Options& options) : options_(options) {}

  uint64_t bytes = 0;  // that came back, from the start on
  uint64_t lost = 0;   // requests that were given up since the window was opened
  Histogram latency;
  Histogram lateness;  // of requests that a schedule has: since each could have been sent

  void open();
  void close();
  // Runs `turn(timeout_ms)` until the window has been opened, after the warm-up, and closed.
  template <typename Turn>
  void run(Turn turn) {
    run_for(options_.warmup_s, turn);
    open();
    run_for(options_.duration_s, turn);
    close();
  }
  void print() const;

 private:
  struct Mark {
    uint64_t wall_ns, server_ns, client_ns, bytes;
  };

  Mark mark() const;
  template <typename Turn>
  static void run_for(double seconds, Turn& turn) {
    uint64_t now = now_ns();
    const uint64_t deadline = now + static_cast<uint64_t>(seconds * 1e9);
    for (; now < deadline; now = now_ns()) {
      turn(static_cast<int>((deadline - now) / 1'000'000 + 1));
    }
  }

  const Options& options_;
  Mark from_{}, to_{};
};

}  // namespace bench
