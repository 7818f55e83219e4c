// What can go wrong with a connection that was not ended on purpose.
#pragma once

#include <stdint.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace eddy::load {

enum class Trouble : uint8_t {
  kConnect,   // it could not be made
  kLost,      // the server ended it
  kTimedOut,  // an answer did not come in time
  kTls,       // the handshake failed, or what was sent by it
  kWrong,     // what came was not what was asked for, or more
};

// How often each was met, by its cause: {kConnect, "Connection refused"}.
using Troubles = std::map<std::pair<Trouble, std::string>, uint64_t>;

const char* name_of(Trouble trouble);  // "timed_out": in JSON
const char* text_of(Trouble trouble);  // "timed out"
uint64_t count_of(const Troubles& troubles);
uint64_t count_of(const Troubles& troubles, Trouble trouble);
// The most frequent cause of that kind, or of all; empty if there was none.
std::string main_cause(const Troubles& troubles, std::optional<Trouble> trouble = std::nullopt);

}  // namespace eddy::load
