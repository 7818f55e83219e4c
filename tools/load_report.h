// What a run found out, and how it is told.
#pragma once

#include <stdint.h>

#include <array>
#include <map>
#include <string>
#include <utility>

#include "load_options.h"

namespace eddy::tools {

// What can go wrong with a connection that was not ended on purpose.
enum class Trouble : uint8_t {
  kConnect,   // it could not be made
  kLost,      // the server ended it
  kTimedOut,  // an answer did not come in time
  kWrong,     // other bytes came back than were sent, or more
};

// How often each trouble was met, by its cause: {kConnect, "Connection refused"}.
using Troubles = std::map<std::pair<Trouble, std::string>, uint64_t>;
uint64_t count_of(const Troubles& troubles, Trouble trouble);

// Every request that was sent, from the first connection to the last, has had one of four ends:
//   sent = answered + lost + abandoned + unanswered
struct Requests {
  uint64_t sent = 0;
  uint64_t answered = 0;
  uint64_t lost = 0;        // with a connection that met trouble
  uint64_t abandoned = 0;   // with a connection that --churn ended
  uint64_t unanswered = 0;  // when the run was over
};

// What --churn did.
struct Churned {
  uint64_t reset = 0;
  uint64_t closed = 0;
  uint64_t half_closed = 0;  // the end of input was sent, and what was on its way was waited for
};

inline constexpr std::array kPercentiles = {50.0, 90.0, 99.0, 99.9};

struct LoadReport {
  Requests requests;
  Troubles troubles;
  Churned churned;
  uint64_t connected = 0;  // connections that stood, in all
  bool interrupted = false;

  // --- The window: after the warm-up, until the last request was sent.
  double seconds = 0;
  uint64_t window_answered = 0;
  uint64_t window_bytes = 0;  // received
  uint64_t client_cpu_ns = 0;
  uint64_t server_cpu_ns = 0;  // 0 if its process is not known

  // --- Latency of the requests that were sent within the window. Those that timed out or were
  // never answered are in it with the time that they had waited.
  uint64_t samples = 0;
  std::array<uint64_t, kPercentiles.size()> percentiles_ns{};
  uint64_t max_ns = 0;
  double mean_ns = 0;
};

// The exit statuses of `eddy load`, beside kBadUsage.
inline constexpr int kMeasured = 0;
inline constexpr int kMeasuredWithTroubles = 1;
inline constexpr int kNoConnection = 3;
inline constexpr int kNoAnswer = 4;
inline constexpr int kWrongAnswer = 5;
inline constexpr int kInterrupted = 130;  // before there was anything to report

// What the run comes to: an exit status, and a line if it is not kMeasured.
struct Verdict {
  int status = kMeasured;
  std::string line;
};
Verdict judge(const LoadReport& report, const LoadOptions& options);

void print_text(const LoadReport& report, const LoadOptions& options, const std::string& backend);
void print_json(const LoadReport& report, const LoadOptions& options, const std::string& backend,
                const Verdict& verdict);

}  // namespace eddy::tools
