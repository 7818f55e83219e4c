// Requests to an echo server, which expect the very bytes back.
#pragma once

#include <vector>

#include "load/engine.h"
#include "load/pattern.h"

namespace eddy::load {

class EchoEngine final : public Engine {
 public:
  EchoEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule, Events events);

 private:
  struct Session {
    uint32_t in_phase = 0;   // of the next byte to come
    uint32_t out_phase = 0;  // of the next byte to go
    uint64_t missing = 0;    // bytes until the oldest request in flight is answered
  };
  void start(Seat& seat) override;
  void write(Seat& seat, uint32_t first, uint32_t count) override;
  bool receive(Seat& seat, std::string_view bytes) override;

  Pattern pattern_;
  std::vector<Session> sessions_;  // by seat
  uint64_t pieces_ = 0;
};

}  // namespace eddy::load
