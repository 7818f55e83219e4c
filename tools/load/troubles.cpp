#include "load/troubles.h"

namespace eddy::load {

const char* name_of(Trouble trouble) {
  switch (trouble) {
    case Trouble::kConnect: return "connect";
    case Trouble::kLost: return "lost";
    case Trouble::kTimedOut: return "timed_out";
    case Trouble::kTls: return "tls";
    case Trouble::kWrong: return "wrong";
  }
  return "unknown";
}

const char* text_of(Trouble trouble) {
  switch (trouble) {
    case Trouble::kConnect: return "not connected";
    case Trouble::kLost: return "lost";
    case Trouble::kTimedOut: return "timed out";
    case Trouble::kTls: return "TLS";
    case Trouble::kWrong: return "wrong answer";
  }
  return "unknown";
}

uint64_t count_of(const Troubles& troubles) {
  uint64_t total = 0;
  for (const auto& [key, count] : troubles) total += count;
  return total;
}

uint64_t count_of(const Troubles& troubles, Trouble trouble) {
  uint64_t total = 0;
  for (const auto& [key, count] : troubles) total += key.first == trouble ? count : 0;
  return total;
}

std::string main_cause(const Troubles& troubles, std::optional<Trouble> trouble) {
  std::string cause;
  uint64_t most = 0;
  for (const auto& [key, count] : troubles) {
    if (key.first == trouble.value_or(key.first) && count > most) {
      most = count;
      cause = key.second;
    }
  }
  return cause;
}

}  // namespace eddy::load
