// eddy load --find-max: the highest rate within an objective.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "load/objective.h"
#include "load/options.h"
#include "load/outputs.h"

namespace eddy::tools {

struct SearchFlags {
  bool find_max = false;
  std::optional<load::Objective> slo;
  double max_rate = 0;
  double precision = 0;  // a part of the rate
};
void add_search_options(CLI::App& command, SearchFlags& flags);

// What is wrong with them, if anything. Makes the options those of a search: `duration_given` says
// whether --duration was.
std::string check_search(const SearchFlags& flags, load::LoadOptions& options, bool duration_given);

// Makes the runs, tells of each as it ends, and of what was found. The exit status.
int run_search(const load::LoadOptions& options, const SearchFlags& flags, load::Outputs& outputs);

}  // namespace eddy::tools
