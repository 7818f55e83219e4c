// What happened in a simulated world: a hash of every event, and their text for who asks for it.
//
// Neither knows of addresses in memory or of the real time, so the same seed gives the same trace
// with every compiler, with sanitizers or without.
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <initializer_list>

namespace eddy::sim {

class Trace {
 public:
  // From now on each event is a line: "12.345678 10.0.0.1 recv 5 64".
  void print_to(FILE* out) { out_ = out; }
  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }

  // `host` and `event` must be literals or live as long as the trace.
  void note(int64_t now_ns, const char* host, const char* event,
            std::initializer_list<int64_t> values) {
    ++events_;
    for (const char* at = event; *at != '\0'; ++at) mix(static_cast<unsigned char>(*at));
    for (const int64_t value : values) mix(static_cast<uint64_t>(value));
    mix(static_cast<uint64_t>(now_ns));
    if (out_ != nullptr) print(now_ns, host, event, values);
  }

 private:
  void mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x9fb21c651e98df25 + (hash_ >> 29); }
  void print(int64_t now_ns, const char* host, const char* event,
             std::initializer_list<int64_t> values);

  uint64_t hash_ = 0x243f6a8885a308d3;
  uint64_t events_ = 0;
  FILE* out_ = nullptr;
};

}  // namespace eddy::sim
