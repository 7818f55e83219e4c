// The whole result of a run as one JSON object: what `--json` prints, and what the page of `--html`
// shows.
#pragma once

#include <string>

#include "load/find_max.h"
#include "load/options.h"
#include "load/report.h"
#include "load/verdict.h"

namespace eddy::load {

// On one line. Latencies in microseconds; null where too few samples tell them. Bytes of a
// server's that are no UTF-8 are replaced. Of a search, the run is the one at the highest rate, and
// the curve goes with it; null: there was none.
std::string json_of(const LoadReport& report, const LoadOptions& options,
                    const std::string& backend, const Verdict& verdict,
                    const Search* search = nullptr);

}  // namespace eddy::load
