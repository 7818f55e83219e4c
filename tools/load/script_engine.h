// Requests as a script has them: each is a pass through it.
//
// What does not come as expected is wrong, and its connection ends, as does one on which something
// comes that no step expects. Where a script begins with what the server says first, that may have
// come before the pass.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "load/engine.h"
#include "load/keys.h"
#include "load/script.h"

namespace eddy::load {

class ScriptEngine final : public Engine {
 public:
  ScriptEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
               Events events);

 private:
  // What is the same throughout a pass.
  struct Pass {
    uint64_t seq = 0;
    uint64_t key = 0;
  };
  struct Session {
    size_t step = 0;       // of the pass that is being answered
    uint64_t matched = 0;  // of that step: bytes that have come and are right
    std::string line;      // … of a line, as far as it has come
    std::string early;     // what came before a pass that begins with it
  };
  enum class Match : uint8_t { kNeedMore, kDone, kWrong };

  void start(Seat& seat) override;
  void write(Seat& seat, uint32_t first, uint32_t count) override;
  bool receive(Seat& seat, std::string_view bytes) override;
  void receive_end(Seat& seat) override;

  void play(Seat& seat, std::string_view bytes);
  void keep_early(Seat& seat, std::string_view bytes);
  Match match(const Seat& seat, const ScriptStep& step, std::string_view& bytes);
  Match match_exact(const Seat& seat, const ScriptStep& step, std::string_view& bytes);
  Match match_line(const Seat& seat, const ScriptStep& step, std::string_view& bytes);
  bool fits(const Seat& seat, const ScriptStep& step, std::string_view line);
  void end_pass(Seat& seat);
  Pass& pass_of(const Seat& seat, uint32_t place) {
    if (place >= options().depth) place -= options().depth;
    return passes_[size_t{seat.number} * options().depth + place];
  }
  // Among those of all workers.
  uint64_t number_of(const Seat& seat) const {
    return uint64_t{seat.number} * options().share.of + options().share.index;
  }
  void send(Seat& seat, const ScriptStep& step, const Pass& pass);
  std::string_view rendered(const Seat& seat, const ScriptText& text, const Pass& pass);

  const Script& script_;
  Keys keys_;
  Random random_;
  const std::string key_zero_;
  const std::string value_;
  uint64_t next_seq_;              // of several workers each has its own
  std::vector<Pass> passes_;       // of the requests in flight, as the engine's ring has them
  std::vector<Session> sessions_;  // by seat
  std::string text_;               // rendered last
};

}  // namespace eddy::load
