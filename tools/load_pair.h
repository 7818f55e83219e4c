// Runs of two set-ups, in turns: what `eddy load compare` compares when it is given targets.
//
// What it is: each run is `eddy load` in a process of its own, so that what differs from process to
// process (where its memory lies, say) differs from run to run and is counted as chance. A round
// has one run of each, in an order that is drawn: what drifts while they go on meets both alike.
//
// Threads: one.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "load/run_set.h"

namespace eddy::tools {

struct PairOptions {
  uint64_t rounds = 10;
  uint64_t seed = 1;                // of the order, and of the first round; each round has another
  std::vector<std::string> common;  // options of both, "--rate=20k"
};

struct Pair {
  std::vector<load::RunFigures> a;
  std::vector<load::RunFigures> b;
};

// A target with options behind it: "tcp://127.0.0.1:7000 --depth 16". Others are files.
bool is_set_up(std::string_view text);

// The options of `eddy load` that a run may be given, on another command: their values are taken as
// they are, for the run to check.
void add_run_options(const CLI::App& load, CLI::App& to);
// … and what was given of them.
std::vector<std::string> run_options_of(const CLI::App& command);

// Makes the runs. What a set-up says of an option counts for it, in place of what both have. SIGINT
// and SIGTERM end it after the run that goes on, with the rounds that are there. At failure the
// exit status, which is that of the run that failed; it has been told.
std::expected<Pair, int> run_pair(const CLI::App& load, const PairOptions& options,
                                  const std::string& a, const std::string& b);

}  // namespace eddy::tools
