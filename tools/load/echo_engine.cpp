#include "load/echo_engine.h"

#include <algorithm>

namespace eddy::load {

constexpr uint64_t kWholeCheckEvery = 64;

EchoEngine::EchoEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
                       Events events)
    : Engine(reactor, options, schedule, std::move(events)), sessions_(options.connections) {}

void EchoEngine::start(Seat& seat) {
  // Neighbours, and the connections of one seat, send different bytes.
  const auto phase =
      static_cast<uint32_t>((seat.number * 1009ULL + seat.connections * 31ULL) % Pattern::kPeriod);
  sessions_[seat.number] = {.in_phase = phase, .out_phase = phase, .missing = options().size};
}

void EchoEngine::write(Seat& seat, uint32_t, uint32_t count) {
  Session& session = sessions_[seat.number];
  for (uint64_t bytes = count * options().size; bytes > 0;) {
    const size_t piece = std::min<uint64_t>(bytes, Pattern::kLongest);
    seat.stream.send(pattern_.slice(session.out_phase, piece));
    session.out_phase = Pattern::advance(session.out_phase, piece);
    bytes -= piece;
  }
}

bool EchoEngine::receive(Seat& seat, std::string_view bytes) {
  const uint64_t size = options().size;
  Session& session = sessions_[seat.number];
  if (seat.in_flight == 0 || bytes.size() > seat.in_flight * size - (size - session.missing)) {
    fail(seat, Trouble::kWrong, "more came back than was sent");
    return false;
  }
  const bool whole = ++pieces_ % kWholeCheckEvery == 0;
  if (!pattern_.matches(session.in_phase, bytes, whole)) {
    fail(seat, Trouble::kWrong, "other bytes came back than were sent");
    return false;
  }
  session.in_phase = Pattern::advance(session.in_phase, bytes.size());
  uint64_t count = bytes.size();
  for (; count >= session.missing; session.missing = size) {
    count -= session.missing;
    answered(seat);
  }
  session.missing -= count;
  return session.missing < size;
}

}  // namespace eddy::load
