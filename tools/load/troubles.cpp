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

namespace {

template <typename Counts>
std::string most_frequent(const Troubles& troubles, Counts counts) {
  std::string cause;
  uint64_t most = 0;
  for (const auto& [key, count] : troubles) {
    if (counts(key.first) && count > most) {
      most = count;
      cause = key.second;
    }
  }
  return cause;
}

}  // namespace

std::string main_cause(const Troubles& troubles) {
  return most_frequent(troubles, [](Trouble) { return true; });
}

std::string main_cause(const Troubles& troubles, Trouble trouble) {
  return most_frequent(troubles, [trouble](Trouble each) { return each == trouble; });
}

}  // namespace eddy::load
